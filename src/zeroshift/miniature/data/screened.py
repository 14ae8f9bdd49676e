"""Look through a captioned folder with an ImageNet network: leave out what shows no animal, and name breeds.

    python -m zeroshift.miniature.data.screened FOLDER [--least 0.3] [--sure 0.5]

Crops that were found by a program show a leg or a sofa now and then, and captions that say a breed teach it.
The network is EfficientNet-Lite0 (extra ``textures``). The first table stays beside the new one, as
``captions.before.csv``.
"""

import argparse
import csv
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from zeroshift.evaluation.imagenet import GROUPS, ImageNetJudge, open_network
from zeroshift.files import read_regular, write_atomically
from zeroshift.image.tensors import to_pictures
from zeroshift.miniature.data.breeds import breed_of
from zeroshift.miniature.data.captioned import CaptionedFolder, CaptionedPicture

VERSION = 0
"""of EfficientNet-Lite: the one that may help training, while version 2 judges"""
SIDE = 160
"""in pixels, of the pictures that are looked at"""
BEFORE = "captions.before.csv"


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """What the network has to be sure of."""

    least: float = 0.3
    """probability of its own animal below which a picture of ``train`` is left out"""
    sure: float = 0.5
    """probability from which on a breed is named where none is given"""


def screened(
    rows: Sequence[CaptionedPicture], probabilities: Tensor, thresholds: Thresholds
) -> tuple[list[CaptionedPicture], list[CaptionedPicture]]:
    """The rows that stay, with breeds, and those that go; ``probabilities`` is (N, 1000).

    Rows of other splits than ``train`` all stay, as held-out pictures are what they are, and so do pictures whose
    species the network has no classes for.
    """
    kept, gone = [], []
    for row, seen in zip(rows, probabilities, strict=True):
        species = row.labels.get("species", "")
        shown = float(seen[list(GROUPS[species])].sum()) if species in GROUPS else 1.0
        if row.split == "train" and shown < thresholds.least:
            gone.append(row)
            continue
        likeliest = int(seen.argmax())
        named = likeliest in GROUPS.get(species, ()) and float(seen[likeliest]) >= thresholds.sure
        breed = row.labels.get("breed") or (breed_of(likeliest) if named else "")
        kept.append(replace(row, labels=row.labels | {"breed": breed}))
    return kept, gone


def screen(folder: Path, judge: ImageNetJudge, thresholds: Thresholds) -> tuple[int, int, int]:
    """Write the folder's ``captions.csv`` anew; return how many pictures stay, go, and have a new breed.

    Raises:
        ValueError: the folder has no such table, or a picture cannot be read.
    """
    table = CaptionedFolder.open(folder)
    seen = judge.look(to_pictures(table.read(table.pictures, SIDE).float() / 127.5 - 1)).probabilities
    kept, gone = screened(table.pictures, seen, thresholds)
    before = {row.file: row.labels.get("breed", "") for row in table.pictures}
    if not (folder / BEFORE).exists():
        write_atomically(folder / BEFORE, read_regular(folder / "captions.csv"))
    write_atomically(folder / "captions.csv", _table(kept).encode())
    return len(kept), len(gone), sum(row.labels["breed"] != before[row.file] for row in kept)


def _table(rows: Sequence[CaptionedPicture]) -> str:
    file = io.StringIO(newline="")
    columns = ["file", "split", "caption", *rows[0].labels]
    table = csv.DictWriter(file, columns)
    table.writeheader()
    for row in rows:
        table.writerow({"file": row.file, "split": row.split, "caption": row.caption, **row.labels})
    return file.getvalue()


def main(words: list[str] | None = None) -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Leave out pictures that show no animal, and name breeds.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--least", type=float, default=Thresholds.least)
    parser.add_argument("--sure", type=float, default=Thresholds.sure)
    given = parser.parse_args(words)
    try:
        judge = ImageNetJudge(open_network(VERSION))
        kept, gone, named = screen(given.folder, judge, Thresholds(least=given.least, sure=given.sure))
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    print(f"{kept} pictures stay, {gone} show no animal of their species, {named} have a breed now.")


if __name__ == "__main__":
    main()
