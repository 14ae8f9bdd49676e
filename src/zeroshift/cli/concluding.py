"""The end of an edit on the command line: what was left out is named, and the sheet of all is written."""

from zeroshift.cli.delivery import write_sheet
from zeroshift.cli.job import Job
from zeroshift.cli.remarks import left_out, say


def conclude(job: Job) -> None:
    """Name what could not be edited, and write the sheet.

    Raises:
        ValueError: something could not be edited; exit code 1 tells that.
    """
    faults = faults_of(job)
    single = {(place, n): error for (place, n), error in sorted(job.left_out.items()) if place not in faults}
    for place, error in sorted(faults.items()):
        left_out("source", job.photographs[place].path, error, job.loud)
    for (place, n), error in single.items():
        left_out("source", job.photographs[place].path, error, job.loud, job.specs[n].target)
    if job.written.sheet is not None and len(faults) < max(len(job.photographs), 1):
        write_sheet(job.photographs, job.specs, job.written.results, job.written.sheet)
        say(f"{job.written.sheet} shows all of them.", job.loud)
    wrong = [f"{len(faults)} of {len(job.photographs)} photographs could not be edited"] if faults else []
    if single:
        edits = len(job.photographs) * len(job.specs)
        wrong += [f"{len(single)} of {edits} edits {'was' if len(single) == 1 else 'were'} left out"]
    if wrong:
        done = "the others are done" if len(faults) < len(job.photographs) else "nothing is done"
        raise ValueError(f"{' and '.join(wrong)}; {done}.")


def faults_of(job: Job) -> dict[int, Exception]:
    """Why photographs have no result at all, by their place."""
    faults, edits = dict(job.failures), range(len(job.specs))
    for place in sorted({place for place, _ in job.left_out} - faults.keys()):
        if all((place, n) in job.left_out for n in edits):
            faults[place] = job.left_out[place, 0]
    return faults
