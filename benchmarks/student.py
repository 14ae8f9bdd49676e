"""A student beside its teacher: ``python -m benchmarks.student PETS STUDENT PAIRS... --out FOLDER [OPTIONS]``.

PETS is a folder that ``benchmarks.pets_edit`` made, STUDENT what ``zeroshift distill train`` wrote, and PAIRS are what
it learned from, whose ``pairs.json`` say who the teacher was. Every photograph of one split that shows a direction's
source is edited by both, in the part and inside the mask that they choose themselves. Prints, and writes to
FOLDER/table.md, success by the ImageNet network, decibels over the background, ``feature-kid`` to photographs of the
target, how intensity goes together with the target's probability, and milliseconds of one pass beside those of the
teacher in all its steps; beside it lie items.csv and a sheet of the first photographs of each direction by their names'
hashes, with nothing selected. With ``--pace`` times alone are printed. Needs zeroshift[eval].
"""

import argparse
import csv
import io
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import zeroshift
from benchmarks.intensity import rank_correlation
from benchmarks.masked import psnr_over
from zeroshift import EditSpec
from zeroshift.bench.items import Benchmark, Item, picture_of, read_plain
from zeroshift.bench.statistics import difference, mean_of
from zeroshift.distillation.editing import StudentEditor, StudentSpec
from zeroshift.distillation.opening import open_editor
from zeroshift.distillation.pairs import About, read_about
from zeroshift.evaluation.imagenet import ImageNetJudge, Seen, feature_kid, open_judge, success
from zeroshift.files import write_atomically
from zeroshift.image.sheet import sheet

INTENSITIES = (0.25, 0.5, 0.75, 1.0)
SHOWN = 12
"""photographs of each direction on the sheet"""
PAPER = "pix2pix-zero"
"""the method that the paper distilled"""
ROUNDS = 3
"""of the teacher in all its steps; of the student thirty times as many"""


@dataclass(frozen=True)
class Row:
    """One photograph's figures."""

    item: str
    success: float
    teacher_success: float
    background: float
    teacher_background: float
    rank: float
    """correlation of intensity, from 0 on, and the target's probability"""


@dataclass(frozen=True, eq=False)
class Edits:
    """What became of the photographs of a direction."""

    items: Sequence[Item]
    photographs: list[Image.Image]
    teachers: list[Image.Image]
    students: list[list[Image.Image]]
    """at all of ``INTENSITIES``"""

    @property
    def whole(self) -> list[Image.Image]:
        """The student's whole edits."""
        return [row[-1] for row in self.students]


def taught(about: About, *, exact: bool = False) -> EditSpec:
    """The teacher's edit: as the pairs were made, or ``exact``, the paper's, in all its steps."""
    words = {"source": about.source, "target": about.target, "method": about.method}
    spec = EditSpec.parse({**words, "paper_defaults": True, "mask": about.mask, "restore": False})
    if exact:
        return spec.model_copy(update={"mask": "none"})
    return spec.model_copy(update={"options": about.options, "region": about.region})


def edited(editor: zeroshift.Editor, student: StudentEditor, about: About, items: Sequence[Item]) -> Edits:
    """Edit the photographs of a direction by both."""
    photographs, spec = [picture_of(item) for item in items], taught(about)
    teachers = [result.image.convert("RGB") for result in editor.edit(photographs, spec)]
    words = {"source": about.source, "target": about.target, "region": about.region}
    asked = [StudentSpec.model_validate({**words, "intensity": one}) for one in INTENSITIES]
    students = [[student.edit(one, spec).image.convert("RGB") for spec in asked] for one in photographs]
    return Edits(items, photographs, teachers, students)


def rows(judge: ImageNetJudge, edits: Edits, about: About) -> list[Row]:
    """The figures of every photograph."""
    way = about.source, about.target
    before = judge.look(edits.photographs)
    reached, taught = (success(before, judge.look(made), *way).tolist() for made in (edits.whole, edits.teachers))
    found = []
    for k, (item, photograph) in enumerate(zip(edits.items, edits.photographs, strict=True)):
        mask = item.region("corrected")
        outside = np.zeros(photograph.size[::-1], np.bool_) if mask is None else ~mask
        own, theirs = (psnr_over(made[k], photograph, outside) for made in (edits.whole, edits.teachers))
        seen = judge.look([photograph, *edits.students[k]])
        shown = (seen.of(about.target) / (seen.of(about.source) + seen.of(about.target))).numpy()
        found.append(Row(item.name, reached[k], taught[k], own, theirs, rank_correlation(shown.round(2))))
    return found


def milliseconds(work: Callable[[], object], rounds: int) -> float:
    """Median time of some work, by the clock, after one round that warms up."""
    work()
    took = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        took.append(1000 * (time.perf_counter() - begun))
    return statistics.median(took)


def pace(editor: zeroshift.Editor, student: StudentEditor, about: About, item: Item) -> Iterator[str]:
    """Yield lines on how long a photograph takes: a student's pass, its whole edit, and teachers in all their steps.

    Beside its own teacher stands pix2pix-zero, the one of the paper.
    """
    photograph = picture_of(item)
    asked = StudentSpec(source=about.source, target=about.target)
    x, number = torch.zeros(1, 3, student.size, student.size), student.student.number(about.source, about.target)
    alone = milliseconds(lambda: student.student.edited(x, number, 1.0), 30 * ROUNDS)
    whole = milliseconds(lambda: student.edit(photograph, asked), 30 * ROUNDS)
    searched = "no head to search for" if student.edit(photograph, asked).part is None else "with the search for a head"
    yield f"On {torch.get_num_threads()} threads, one picture at a time: the student's pass takes {alone:.0f} ms,"
    yield f"its edit with the seam ({searched}) {whole:.0f} ms."
    for method in dict.fromkeys([about.method, PAPER]):
        spec = taught(replace(about, method=method), exact=True)
        teacher = milliseconds(lambda spec=spec: editor.edit(photograph, spec), ROUNDS)  # type: ignore[misc]
        yield f"An edit by {method} in all its steps, without a mask, takes {teacher:.0f} ms:"
        yield f"{teacher / whole:.0f} times as long as the student's edit."


def line(judge: ImageNetJudge, edits: Edits, found: Sequence[Row], real: Seen, about: About) -> str:
    """A row of the table: one direction."""
    student, teacher = (feature_kid(judge.look(made), real) for made in (edits.whole, edits.teachers))
    hits, taught = [one.success for one in found], [one.teacher_success for one in found]
    apart = difference(hits, taught, success=True).mean
    near = finite_means([(one.background, one.teacher_background) for one in found])
    judged = sum(np.isfinite(hits))
    cells = [
        f"{about.source} → {about.target} ({len(found)}, {judged} judged)",
        f"{mean_of(hits).value:.1%}, {mean_of(taught).value:.1%}",
        f"{100 * apart.value:+.1f} ({100 * apart.low:+.1f} to {100 * apart.high:+.1f})",
        ", ".join(f"{value:.1f}" for value in near),
        f"{student:.3f}, {teacher:.3f}",
        f"{np.nanmean([one.rank for one in found]):.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def finite_means(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Both means over the same photographs: of an untouched background decibels are infinite, of none they are NaN."""
    found = [pair for pair in pairs if np.isfinite(pair).all()]
    one, other = zip(*found, strict=True) if found else ((math.nan,), (math.nan,))
    return statistics.mean(one), statistics.mean(other)


HEAD = (
    "| direction (photographs) | success: student, teacher | difference, points | background, dB | feature-kid |"
    " rank of intensity |",
    "|---|---|---|---|---|---|",
)


def of_direction(pets: Benchmark, about: About, split: str) -> Benchmark:
    """The items of a direction's task, those of the smallest hashes first."""
    task = pets.of_tasks([f"{split} {about.source}-{about.target}"])
    return task.drawn(len(task.items))


def photographs_of(pets: Benchmark, animal: str) -> list[Image.Image]:
    """Every photograph that shows an animal, of all splits."""
    files = {item.picture: item for item in pets.items if item.source == animal}
    return [picture_of(item) for item in files.values()]


def write(out: Path, found: Sequence[Row], shown: Sequence[Edits], table: Sequence[str]) -> None:
    """Write the figures of every photograph, the table and the sheet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([[one.name for one in fields(Row)], *(astuple(row) for row in found)])
    write_atomically(out / "items.csv", text.getvalue().encode())
    write_atomically(out / "table.md", ("\n".join(table) + "\n").encode())
    cells, names = [], []
    for edits in shown:
        for k, item in enumerate(edits.items[:SHOWN]):
            cells.append([edits.photographs[k], edits.teachers[k], edits.students[k][1], edits.students[k][-1]])
            names.append(item.name)
    made = sheet(cells, names, ["photograph", "teacher", "student, half", "student"])
    made.save(out / "edits.png")


def main(words: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.student", description="A student beside its teacher.")
    parser.add_argument("pets", type=Path)
    parser.add_argument("student", type=Path)
    parser.add_argument("pairs", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--split", default="bench-test")
    parser.add_argument("--model", type=Path, help="the teacher's, if it is not the shipped one", metavar="FOLDER")
    parser.add_argument("--count", type=int, help="photographs of each direction at most", metavar="N")
    parser.add_argument("--pace", action="store_true", help="time alone, on photographs of the first pairs")
    given = parser.parse_args(words)
    pets, editor, student = (
        read_plain(given.pets),
        zeroshift.load(given.model, device="cpu"),
        open_editor(given.student),
    )
    if given.pace:
        about = read_about(given.pairs[0])
        print("\n".join(pace(editor, student, about, of_direction(pets, about, given.split).items[0])))
        return
    judge = open_judge()
    given.out.mkdir(parents=True, exist_ok=True)
    table, found, shown = list(HEAD), list[Row](), list[Edits]()
    for about in map(read_about, given.pairs):
        items = of_direction(pets, about, given.split).items[: given.count]
        edits = edited(editor, student, about, items)
        own, real = rows(judge, edits, about), judge.look(photographs_of(pets, about.target))
        table.append(line(judge, edits, own, real, about))
        print(table[-1], flush=True)
        found, shown = [*found, *own], [*shown, edits]
    table += ["", *pace(editor, student, about, items[0])]
    print("\n".join(table))
    write(given.out, found, shown, table)


if __name__ == "__main__":
    main()
