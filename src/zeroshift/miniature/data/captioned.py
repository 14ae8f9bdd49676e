"""A folder with a ``captions.csv`` and its pictures, loose or in uncompressed zip files beside it."""

import csv
import io
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from zeroshift.faults import plain
from zeroshift.files import read_regular, regular
from zeroshift.image import flatten


@dataclass(frozen=True)
class CaptionedPicture:
    """One row of ``captions.csv``."""

    file: str
    caption: str
    split: str
    labels: dict[str, str]
    """the row's other columns, such as species or coat"""


@dataclass(frozen=True)
class CaptionedFolder:
    """The rows of one folder; pictures are read on demand by ``read``."""

    root: Path
    pictures: tuple[CaptionedPicture, ...]

    @classmethod
    def open(cls, root: str | Path) -> "CaptionedFolder":
        """Read ``root/captions.csv`` (columns file, caption; optional split, default train; others kept as labels).

        Raises:
            ValueError: there is no such file, a column is missing, a row has no file or caption, or there are no rows.
        """
        table = Path(root) / "captions.csv"
        if not table.is_file():
            raise ValueError(f"{root} has no captions.csv; the trainer needs one with the columns file and caption.")
        with regular(table).open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            missing = {"file", "caption"} - set(reader.fieldnames or ())
            if missing:
                raise ValueError(f"{table} lacks the column {', '.join(sorted(missing))}; it needs file and caption.")
            rows = tuple(_row(row, f"Line {reader.line_num} of {table}") for row in reader)
        if not rows:
            raise ValueError(f"{table} lists no pictures; add a row per picture.")
        return cls(Path(root), rows)

    def split(self, *names: str) -> tuple[CaptionedPicture, ...]:
        """The rows of the named splits, in file order."""
        return tuple(p for p in self.pictures if p.split in names)

    def read(self, pictures: Iterable[CaptionedPicture], size: int) -> Tensor:
        """The pictures as uint8 (N, 3, size, size), centre-cropped to a square and resized with Lanczos.

        They are turned as their metadata say and laid over white where they are transparent.

        Raises:
            ValueError: a picture or a zip file is missing or cannot be read.
        """
        with zipped(self.root) as members:
            return torch.stack([self._read(picture, size, members) for picture in pictures])

    def _read(self, picture: CaptionedPicture, size: int, members: dict[str, zipfile.ZipFile]) -> Tensor:
        loose = self.root / picture.file
        try:
            data = read_regular(loose) if picture.file not in members else members[picture.file].read(picture.file)
            image = flatten(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
        except (OSError, SyntaxError, ValueError, zipfile.BadZipFile, Image.DecompressionBombError) as error:
            raise ValueError(
                f"The picture {picture.file} of {self.root} cannot be read ({plain(error)}); get it anew."
            ) from error
        return torch.from_numpy(_square(image, size).copy()).permute(2, 0, 1)


@contextmanager
def zipped(root: Path) -> Iterator[dict[str, zipfile.ZipFile]]:
    """What the zip files of a folder hold, by its name: the archive that each is in.

    Raises:
        ValueError: one cannot be read.
    """
    archives = [_archive(path) for path in sorted(root.glob("*.zip"))]
    try:
        yield {name: archive for archive in archives for name in archive.namelist()}
    finally:
        for archive in archives:
            archive.close()


def load_pictures(folder: CaptionedFolder, split: str, size: int) -> tuple[Tensor, list[CaptionedPicture]]:
    """One split's pictures, uint8 (N, 3, size, size), and their rows.

    Raises:
        ValueError: the split is empty or a picture cannot be read.
    """
    rows = list(folder.split(split))
    if not rows:
        raise ValueError(f"{folder.root} has no pictures in the split {split}; mark some in the column split.")
    return folder.read(rows, size), rows


def labelled(
    data: CaptionedFolder, splits: tuple[str, ...], size: int, classes: tuple[str, str] = ("cat", "dog")
) -> tuple[Tensor, Tensor]:
    """The splits' pictures, uint8 (N, 3, size, size), and whether each is of the second class, bool (N,).

    The column ``species`` names the class; pictures of other classes are left out.

    Raises:
        ValueError: no picture of the splits has one of the classes.
    """
    rows = rows_of(data, splits, classes)
    return data.read(rows, size), torch.tensor([p.labels["species"] == classes[1] for p in rows])


def rows_of(
    data: CaptionedFolder, splits: tuple[str, ...], classes: tuple[str, str] = ("cat", "dog")
) -> list[CaptionedPicture]:
    """The splits' rows whose column ``species`` names one of the classes, in file order.

    Raises:
        ValueError: there is none.
    """
    rows = [p for p in data.split(*splits) if p.labels.get("species") in classes]
    if not rows:
        raise ValueError(
            f"{data.root} has no {' or '.join(classes)} in {', '.join(splits)}; name it in column species."
        )
    return rows


def with_coat(data: CaptionedFolder, split: str, *, by_hand: bool = False) -> list[CaptionedPicture]:
    """A split's rows that have a ``coat``, in file order; ``by_hand`` leaves out what a program labelled.

    The column ``coat_label`` says "hand" or something else; without it all coats are taken as given by hand.
    """
    rows = [row for row in data.split(split) if row.labels.get("coat")]
    return [row for row in rows if not by_hand or row.labels.get("coat_label", "hand") == "hand"]


def frequent(rows: Iterable[CaptionedPicture], column: str, minimum: int) -> tuple[str, ...]:
    """The values of a column that at least ``minimum`` rows have, the most frequent first, ties by name."""
    counts = Counter(value for row in rows if (value := row.labels.get(column)))
    return tuple(sorted((v for v, n in counts.items() if n >= minimum), key=lambda v: (-counts[v], v)))


def _archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(regular(path))
    except (OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} cannot be read as a zip file: {error}; copy it again or take it away.") from error


def _row(row: Mapping[str | None, str | None], place: str) -> CaptionedPicture:
    """One row; the csv module gives None for cells that are missing and as the name of cells too many."""
    if None in row:
        raise ValueError(f"{place} has more cells than the first line; put captions with commas in quotes.")
    for column in ("file", "caption"):
        if not (row[column] or "").strip():
            raise ValueError(f"{place} has no {column}; fill it in or remove the line.")
    labels = {k: v or "" for k, v in row.items() if k and k not in ("file", "caption", "split")}
    return CaptionedPicture(row["file"] or "", row["caption"] or "", row.get("split") or "train", labels)


def _square(image: Image.Image, size: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    crop = image.crop((left, top, left + side, top + side))
    return np.asarray(crop.resize((size, size), Image.Resampling.LANCZOS), dtype=np.uint8)
