"""``zeroshift bench``: ``run``; ``bench_scores`` and ``bench_papers`` have the other sub-verbs."""

import json
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from zeroshift.cli.bench_papers import papers
from zeroshift.cli.bench_scores import Count, Folder, Tasks, items_of, report, score
from zeroshift.cli.cache import DEFAULT_CACHE, CacheFlags
from zeroshift.cli.editing import numbers_of
from zeroshift.cli.output import check_apart, check_folder
from zeroshift.cli.progress import waiting
from zeroshift.cli.quality import follow
from zeroshift.cli.shared import (
    DEFAULT_LOUDNESS,
    DEFAULT_MODEL,
    OUTPUT,
    Loudness,
    ModelFlags,
    Seed,
    Text,
)
from zeroshift.cli.sub_verbs import with_sub_verbs
from zeroshift.cli.typed import as_typed
from zeroshift.cli.wrong import Wrong, usage
from zeroshift.sentences import printable

if TYPE_CHECKING:
    from zeroshift.bench.entries import Entry
    from zeroshift.bench.items import Benchmark, Item
    from zeroshift.bench.running import Made, Step
    from zeroshift.editor import Editor
    from zeroshift.running.walking import Progress


def command(tokens: Sequence[str]) -> App:
    """The verb with its sub-verbs."""
    return with_sub_verbs(
        "bench",
        "Run methods on a benchmark, score anybody's edits, and set figures beside published ones.",
        "run|score|report|papers [OPTIONS]",
        [
            (run, "run", "BENCHMARK -o FOLDER [OPTIONS]"),
            (score, "score", "BENCHMARK EDITS [OPTIONS]"),
            (report, "report", "TABLE.csv -o FILE.html [OPTIONS]"),
            (papers, "papers", "[TABLE.csv] [OPTIONS]"),
        ],
    )


def run(
    benchmark: Folder,
    /,
    *,
    output: Annotated[
        Path, Parameter(name=["--output", "-o"], group=OUTPUT, help="folder for edits, one folder inside per entry")
    ],
    method: Annotated[
        Text | None, Parameter(help="names with commas between [default all]", metavar="NAME,...")
    ] = None,
    strengths: Annotated[
        Text | None,
        Parameter(help="how much of an edit, each an entry; 1 is the method as it is [default 0.7,1]", metavar="X,..."),
    ] = None,
    plan: Annotated[Path | None, Parameter(help="JSON list of entries to compare, instead of methods")] = None,
    task: Tasks = (),
    count: Count = None,
    batch: Annotated[
        int,
        Parameter(
            help="items of the same words edited together at most; seconds are then each one's share",
            metavar="N",
            validator=Number(gte=1, lte=64),
        ),
    ] = 1,
    reconstruct: Annotated[
        bool,
        Parameter(help="measure how well photographs come back from inversions, which takes as long again"),
    ] = False,
    overwrite: Annotated[
        bool, Parameter(group=OUTPUT, help="make again what is there with another seed, model or option")
    ] = False,
    seed: Seed = 0,
    model: ModelFlags = DEFAULT_MODEL,
    cache: CacheFlags = DEFAULT_CACHE,
    loud: Loudness = DEFAULT_LOUDNESS,
) -> None:
    """Edit every item of a benchmark with several methods; what is there already is not made again.

    Items go round: a run that is stopped has as many of every entry, and goes on where it was when started again. What
    failed is tried again.
    """
    from zeroshift.bench.entries import of_model
    from zeroshift.bench.foretelling import seconds_before
    from zeroshift.bench.resuming import due
    from zeroshift.bench.running import run as steps
    from zeroshift.bench.running import took_before, warm_up, write_run

    check_apart([("the benchmark", benchmark)], [output])
    check_folder(output)
    items = items_of(benchmark, task, count)
    entries, others = of_model(_entries(plan, method, strengths), model.model or "shipped")
    if others and not loud.silent:
        print(_left_out(others), file=sys.stderr)
    with usage():
        for entry in entries:
            entry.spec(items.items[0], seed)
    editor, _ = model.opened(loud, cache=cache.place)
    todo = due(editor, items, entries, output, seed=seed, overwrite=overwrite)
    if not loud.silent:
        took = took_before(entries, output)
        with waiting("counting how long it takes", loud.silent):
            rest = seconds_before(editor, todo, took, seed=seed, batch=batch) if todo else None
        print(_before(todo, items, entries, output, rest), file=sys.stderr)
    write_run(output, items, entries, editor.backbone.identity.name, seed, as_typed())
    if todo:
        warm_up(editor, todo[0][0])
    work = steps(editor, items, entries, output, seed=seed, batch=batch, todo=todo)
    failed = follow(_counted(work, todo, took_before(entries, output), loud.silent), loud.silent)
    lost = follow(_returned(editor, items, entries, output, seed), loud.silent) if reconstruct else {}
    _after(len(todo), failed, output, loud.json, lost)


def _left_out(others: "Sequence[Entry]") -> str:
    """Which entries of a plan are left out, and with which models they are made."""
    names = ", ".join(entry.name for entry in others)
    models = " or ".join(dict.fromkeys(f"--model {entry.model}" for entry in others))
    return f"left out, for another model: {printable(names)}; the same command with {printable(models)} makes them"


def _before(
    todo: "Sequence[tuple[Item, Entry]]",
    items: "Benchmark",
    entries: "Sequence[Entry]",
    output: Path,
    rest: float | None,
) -> str:
    """How much there is to do, and about how many seconds it takes."""
    from zeroshift.bench.running import read_times
    from zeroshift.grammar import number_of

    failed = {
        (name, entry.name) for entry in entries for name, one in read_times(output / entry.name).items() if one.error
    }
    again = sum((item.name, entry.name) in failed for item, entry in todo)
    total = number_of(len(items.items) * len(entries), "edit")
    what = f"{number_of(len(items.items), 'item')}, {number_of(len(entries), 'entry')}"
    known = "" if rest is None else f"; about {spelled(rest)}"
    return f"{len(todo)} of {total} to make: {what}{f'; {again} failed before' if again else ''}{known}"


def _after(
    todo: int, failed: "Sequence[Made]", output: Path, as_json: bool, lost: "Mapping[str, str] | None" = None
) -> None:
    """Say what became of it.

    Args:
        lost: why the return of photographs could not be measured, by entry and item.

    Raises:
        ValueError: something failed; exit code 1 tells that.
    """
    from zeroshift.grammar import number_of

    why = {f"{one.entry}/{one.item}": one.error for one in failed}
    made = todo - len(failed)
    lost = lost or {}
    facts = json.dumps({"made": made, "failed": why, **({"not_measured": lost} if lost else {})})
    print(facts if as_json else f"{number_of(made, 'edit')} made, {len(failed)} failed, in {output}")
    for what, sentences in [] if as_json else [("failed", why), ("not measured", lost)]:
        for name, sentence in sentences.items():
            print(f"zeroshift: {what}:", printable(f"{name}: {sentence}"), file=sys.stderr)
    if failed:
        raise ValueError(
            f"{len(failed)} of {number_of(todo, 'edit')} could not be made; the same command tries them again."
        )
    if lost:
        raise ValueError(
            f"{number_of(len(lost), 'reconstruction')} could not be measured; the same command tries them again."
        )


def _counted(
    steps: "Iterator[Step]", todo: "Sequence[tuple[Item, Entry]]", took: dict[str, list[float]], silent: bool
) -> "Generator[Progress, None, list[Made]]":
    """Go through a run; once every entry has made an edit, say how long the others will take."""
    from zeroshift.bench.running import seconds_for
    from zeroshift.running.walking import Progress

    failed, told = [], silent or seconds_for(todo, took) is not None
    for step in steps:
        if step.made.error:
            failed.append(step.made)
        else:
            took.setdefault(step.made.entry, []).append(step.made.seconds)
        yield Progress("edits", step.done, step.total, None)
        if not told and step.done < step.total and (rest := seconds_for(todo, took)) is not None:
            print(f"about {spelled(rest * (1 - step.done / step.total))} for the rest", file=sys.stderr)
            told = True
    return failed


def _returned(
    editor: "Editor", items: "Benchmark", entries: "Sequence[Entry]", output: Path, seed: int
) -> "Generator[Progress, None, dict[str, str]]":
    """Measure how well photographs come back, where that is not known yet; what could not be measured, and why."""
    from zeroshift.bench.reconstructing import reconstruct, unmeasured
    from zeroshift.diffusion.backbone import Unsupported
    from zeroshift.running.walking import Progress

    lost = dict[str, str]()
    todo = unmeasured(editor, items, entries, output, seed)
    for done, (item, entry) in enumerate(todo, start=1):
        try:
            for _ in reconstruct(editor, [(item, entry)], output, seed=seed):
                pass
        except (ValueError, Unsupported) as error:
            lost[f"{entry.name}/{item.name}"] = str(error)
        yield Progress("reconstructions", done, len(todo), None)
    return lost


def spelled(seconds: float) -> str:
    """A length of time to two digits: "40 s", "12 min", "3.4 h"."""
    for unit, one in (("h", 3600), ("min", 60)):
        if seconds >= one:
            return f"{seconds / one:.2g} {unit}" if seconds < 100 * one else f"{seconds / one:.0f} {unit}"
    return f"{seconds:.2g} s"


def _entries(plan: Path | None, method: str | None, strengths: str | None) -> "list[Entry]":
    from zeroshift.bench.entries import STRENGTHS, planned, read_plan
    from zeroshift.methods import METHODS

    if plan is not None:
        if method is not None or strengths is not None:
            raise Wrong("--plan says which methods are compared, and at which strengths; leave the others out.")
        return read_plan(plan)
    names = [one.name for one in METHODS] if method is None else [name.strip() for name in method.split(",")]
    numbers = STRENGTHS if strengths is None else numbers_of(strengths, "--strengths")
    for flag, found in (("--method", names), ("--strengths", numbers)):
        if len(set(found)) < len(found):
            raise Wrong(f"{flag} has one of {', '.join(map(str, found))} twice; give each once.")
    with usage():
        return planned(names, numbers)
