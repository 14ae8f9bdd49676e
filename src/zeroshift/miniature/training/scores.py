"""Scores that somebody gave a model's edits, and these edits made again."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from PIL import Image

from zeroshift.conditioning.task import make_task
from zeroshift.editor import Editor
from zeroshift.files import regular
from zeroshift.image.tensors import from_bytes
from zeroshift.methods import USUAL
from zeroshift.miniature.critic import BEST, WORST
from zeroshift.miniature.data import CaptionedFolder, CaptionedPicture

TABLE = "scores.csv"
COLUMNS = ("file", "target", "options", "score", "model")
KEY = 12
"""digits of a model's hash that the table has"""


@dataclass(frozen=True)
class Scored:
    """One edit, and what somebody thought of it."""

    file: str
    target: str
    options: str
    """of the usual method, as JSON"""
    score: float


def read_scores(folder: Path, model_sha256: str) -> list[Scored]:
    """The scores of the table ``folder/scores.csv``, those of a picture one after another.

    Its columns are ``file`` (of the photograph), ``target``, ``options`` (of the usual method, as JSON; empty for
    none), ``score`` (0 to 4) and ``model`` (the first 12 digits of the hash that ``redrawn.weights_of`` has of it):
    scores of one model's edits say nothing of another's.

    Raises:
        ValueError: the table cannot be read, lacks a column, has a value that is none, or is of another model.
    """
    path, found = folder / TABLE, list[Scored]()
    try:
        with regular(path).open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            if missing := {*COLUMNS} - set(reader.fieldnames or ()):
                raise ValueError(f"{path} lacks the column {', '.join(sorted(missing))}.")
            for row in reader:
                found.append(_scored(row, f"Line {reader.line_num} of {path}", model_sha256))
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no table of comma-separated values in UTF-8 ({error}); write it anew.") from error
    if not found:
        raise ValueError(f"{path} has no scores; add a row for every edit that somebody looked at.")
    return sorted(found, key=lambda one: one.file)


def _scored(row: dict[str, str], where: str, model_sha256: str) -> Scored:
    if None in row or None in row.values():
        raise ValueError(f"{where} has other columns than the first; write as many.")
    if row["model"] != model_sha256[:KEY]:
        sentence = f"{where} scores an edit of the model {row['model']}, and this one is {model_sha256[:KEY]}"
        raise ValueError(f"{sentence}; score edits of this one.")
    try:
        options, score = json.loads(row["options"] or "{}"), float(row["score"])
    except ValueError as error:
        raise ValueError(f"{where}: its options are no JSON, or its score is no number; write it anew.") from error
    if not isinstance(options, dict) or not WORST <= score <= BEST:
        raise ValueError(f"{where}: options are names with their values, and scores lie in {WORST:g} to {BEST:g}.")
    return Scored(row["file"], row["target"], json.dumps(options), score)


def edited(editor: Editor, data: CaptionedFolder, scored: Sequence[Scored]) -> Iterator[list[Image.Image]]:
    """The edits of each photograph, in the order of ``scored``, as the default method makes them inside its mask.

    Raises:
        ValueError: a photograph is none of the folder's, its column ``species`` does not say what it shows or says the
            target, or there is no such option; before the first edit.
    """
    rows = {row.file: row for row in data.pictures}
    for one in scored:
        if one.file not in rows or not rows[one.file].labels.get("species"):
            raise ValueError(f"{data.root} does not say the species of {one.file}, whose edits are scored; add it.")
        make_task(rows[one.file].labels["species"], one.target)
        editor.method(USUAL, json.loads(one.options))
    for file, of_one in groupby(scored, key=lambda one: one.file):
        yield _of_one(editor, data, rows[file], [*of_one])


def _of_one(
    editor: Editor, data: CaptionedFolder, row: CaptionedPicture, scored: Sequence[Scored]
) -> list[Image.Image]:
    (photo,) = from_bytes(data.read([row], editor.backbone.size))
    made = dict[Scored, Image.Image]()
    for options in dict.fromkeys(one.options for one in scored):
        together = [one for one in scored if one.options == options]  # they share an inversion
        method, targets = editor.method(USUAL, json.loads(options)), [one.target for one in together]
        results = editor.edit(photo, row.labels["species"], target=targets, method=method, mask="grown")
        made |= {one: result.image for one, result in zip(together, results, strict=True)}
    return [made[one] for one in scored]
