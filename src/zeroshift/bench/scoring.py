"""Scoring a folder of edits, whoever made them: one line per edit, which is kept, so that nothing is scored twice."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from os.path import lexists
from pathlib import Path
from typing import Any

from PIL import Image
from pydantic import TypeAdapter, ValidationError

from zeroshift.bench.items import Benchmark, Item, picture_of
from zeroshift.bench.judging import BETTER, Judges, figures_of
from zeroshift.bench.matching import matched
from zeroshift.bench.reconstructing import read_returned
from zeroshift.bench.running import Made, read_times
from zeroshift.files import read_regular, sha256_of_file
from zeroshift.image import load_image
from zeroshift.image.errors import ImageError
from zeroshift.image.folders import EXTENSIONS

STRIP = 512
"""pixels of one picture of PIE-Bench's strips"""


@dataclass(frozen=True)
class Scored:
    """One edit's figures: a row of the table."""

    entry: str
    item: str
    task: str
    figures: dict[str, float] = field(default_factory=dict)
    """by the names of ``judging.BETTER``; those that are not defined are NaN"""
    seconds: float = math.nan
    """how long the edit took, where that is known"""
    judged: str = ""
    """hash of what scored, of the item's words, photograph and mask"""
    edit_sha256: str = ""
    source_sha256: str = ""
    source: str = ""
    """the photograph's file"""
    edit: str = ""
    """the edit's"""
    benchmark: str = ""
    mode: str = ""
    """of scoring: "paper" or "corrected" """
    judges: str = ""
    """what scored, as JSON: the networks' names"""


_SCORED = TypeAdapter(Scored)
_JSON: TypeAdapter[Any] = TypeAdapter(Any)


def entries_in(edits: Path) -> list[Path]:
    """Folders of edits: those inside of a folder, or that itself where pictures lie in it.

    Raises:
        ImageError: there are no pictures.
    """
    if not edits.is_dir():
        raise ImageError(f"There is no folder {edits}; name that of the edited pictures.")
    inside = [path for path in sorted(edits.iterdir()) if path.is_dir() and _has_pictures(path, deep=True)]
    found = [edits] if _has_pictures(edits) else inside
    if not found:
        raise ImageError(f"There are no pictures in {edits} or its folders; name that of the edited pictures.")
    return found


def _has_pictures(folder: Path, deep: bool = False) -> bool:
    files = folder.rglob("*") if deep else folder.iterdir()
    return any(path.suffix.lower() in EXTENSIONS for path in files)


def score(
    judges: Judges, benchmark: Benchmark, folders: Sequence[Path], place: Path, broken: list[str] | None = None
) -> Iterator[tuple[int, int, Scored]]:
    """Score every edit that is there, each on its own; yield how many are done, how many there are, and the row.

    What ``place`` holds already of the same bytes by the same judges is not scored again. Rows are written there as
    they come. Sentences about pictures that cannot be read go to ``broken``, and the rest is scored.

    Raises:
        ImageError: a picture cannot be read, and there is no ``broken``.
        ValueError: ``place`` holds something else than scores.
    """
    known = {(row.entry, row.item, row.edit_sha256, row.judged): row for row in read_scores(place)}
    fingerprints = cache(partial(fingerprint, judges))
    found, times = matched(benchmark, folders).edits, {folder: read_times(folder) for folder in folders}
    back = {folder: read_returned(folder) for folder in folders}
    for done, (folder, item, path) in enumerate(found, start=1):
        try:
            key, told = fingerprints(item), _told(judges, benchmark, item, path, times[folder])
            row = known.get((folder.name, item.name, sha256_of_file(path), key))
            if row is None:
                row = _scored(judges, benchmark, item, path, Scored(folder.name, item.name, judged=key, **told))
                with place.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps(_plain(row)) + "\n")
        except ImageError as error:
            if broken is None:
                raise
            broken.append(str(error))
            continue
        measured = back[folder].get(item.name)
        if measured is not None and measured.edit_sha256 == row.edit_sha256:
            row = replace(row, figures={**row.figures, "reconstruction": measured.decibels})
        yield done, len(found), replace(row, **told)


def _told(judges: Judges, benchmark: Benchmark, item: Item, path: Path, times: Mapping[str, Made]) -> dict[str, Any]:
    """What a row says that no figure depends on, as it is now."""
    return {
        "task": item.task,
        "seconds": times[item.name].seconds if item.name in times else math.nan,
        "source": str(item.picture),
        "edit": str(path),
        "benchmark": benchmark.name,
        "mode": str(judges.mode),
        "judges": json.dumps({name: said for name, said in judges.names.items() if name != "mode"}),
    }


def _scored(judges: Judges, benchmark: Benchmark, item: Item, path: Path, row: Scored) -> Scored:
    """An edit's row with its figures.

    Raises:
        ImageError: a picture cannot be read.
    """
    photo, source = load_image(path), picture_of(item)
    edit = last_of_strip(photo.image) if benchmark.strips else photo.image
    if edit.size != source.size:  # tools have sizes of their own; the photograph's is what is compared at
        edit = edit.resize(source.size, Image.Resampling.LANCZOS)
    return replace(
        row,
        figures=figures_of(judges, item, source, edit),
        edit_sha256=photo.sha256,
        source_sha256=sha256_of_file(item.picture),
    )


def last_of_strip(picture: Image.Image) -> Image.Image:
    """The last square of PIE-Bench's strips, and what is square as it is."""
    if picture.width == picture.height:
        return picture
    return picture.crop((picture.width - STRIP, picture.height - STRIP, picture.width, picture.height))


def read_scores(place: Path) -> list[Scored]:
    """Rows that were written; lines that were cut off are left out.

    Raises:
        ValueError: a line is something else than a row.
    """
    if not lexists(place):
        return []
    rows = list[Scored]()
    for number, line in enumerate(read_regular(place).decode("utf-8", "replace").splitlines(), start=1):
        try:
            found = _JSON.validate_json(line)
        except ValidationError:
            continue
        try:
            rows.append(_row(found))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"Line {number} of {place} is no row of scores; take it away, and what is missing is scored again."
            ) from error
    return rows


def _row(found: Any) -> Scored:
    """A row from JSON, which has None for NaN."""
    figures = {name: math.nan if value is None else value for name, value in found["figures"].items()}
    seconds = math.nan if found["seconds"] is None else found["seconds"]
    return _SCORED.validate_python({**found, "figures": figures, "seconds": seconds})


def fingerprint(judges: Judges, item: Item) -> str:
    """A short hash of all that figures of an edit depend on beside the edit.

    Raises:
        ImageError: the photograph is not there.
    """
    words = (item.source, item.target, item.source_prompt, item.target_prompt)
    try:
        mask = sha256_of_file(item.mask) if isinstance(item.mask, Path) else str(item.mask)
        figures = [name for name in BETTER if name != "reconstruction"]  # that is not scored here
        facts = [judges.names, figures, words, sha256_of_file(item.picture), mask]
    except OSError as error:
        raise ImageError(f"{error.filename} cannot be read ({error.strerror}); get the benchmark anew.") from error
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def _plain(row: Scored) -> dict[str, object]:
    """A row for JSON, which has no NaN; infinite PSNRs of equal pictures stay, as Python writes them."""
    figures = {name: None if math.isnan(value) else value for name, value in row.figures.items()}
    return {**vars(row), "figures": figures, "seconds": None if math.isnan(row.seconds) else row.seconds}
