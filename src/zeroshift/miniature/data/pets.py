"""Rebuild a folder of captioned head-and-shoulders portraits from the public Oxford-IIIT Pet archives.

    python -m zeroshift.miniature.data.pets images.tar.gz annotations.tar.gz FOLDER

The archives (Parkhi et al., Cats and Dogs, CVPR 2012; CC BY-SA 4.0) are at
https://www.robots.ox.ac.uk/~vgg/data/pets/. Pictures without a head box are left out.
"""

import argparse
import csv
import hashlib
import io
import sys
import tarfile
import xml.etree.ElementTree as ElementTree
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from PIL import Image, UnidentifiedImageError

from zeroshift.files import regular, write_atomically
from zeroshift.sentences import with_article

Box = tuple[float, float, float, float]
MARGIN = 1.7
"""side of the crop in units of the head box's longer side"""


@dataclass(frozen=True)
class Pet:
    """A picture of the archive, by its name without extension."""

    name: str
    species: str
    head: Box

    @property
    def breed(self) -> str:
        return self.name.rsplit("_", 1)[0].replace("_", " ").lower()

    @property
    def split(self) -> str:
        """Train, val or test (90, 3 and 7 in a hundred), by the hash of the name."""
        draw = int(hashlib.sha256(self.name.encode()).hexdigest(), 16) % 100
        return "test" if draw < 7 else "val" if draw < 10 else "train"


def read_pets(annotations: Path) -> list[Pet]:
    """The pictures that have a head box.

    Raises:
        ValueError: the file is not the annotations archive.
    """
    species: dict[str, str] = {}
    heads: dict[str, Box] = {}
    try:
        for path, data in _members(annotations):
            if path.name == "list.txt":
                rows = (line.split() for line in data.decode().splitlines() if line and not line.startswith("#"))
                species = {row[0]: "cat" if row[2] == "1" else "dog" for row in rows}
            elif path.suffix == ".xml" and not path.name.startswith("."):
                heads[path.stem] = _head(data)
    except (tarfile.TarError, EOFError, ElementTree.ParseError, zlib.error) as error:
        raise ValueError(
            f"{annotations} is not a whole tar archive: {error}; download annotations.tar.gz again."
        ) from error
    if not species or not heads:
        raise ValueError(f"{annotations} has no list.txt or no head boxes; give the archive annotations.tar.gz.")
    return [Pet(name, species[name], head) for name, head in sorted(heads.items()) if name in species]


def build(images: Path, annotations: Path, folder: Path, size: int = 128) -> int:
    """Write WebP crops of ``size`` pixels and their trimaps, once all are there ``captions.csv``; return how many.

    Trimaps, of those pictures that have one, are PNGs of the same names: 1 is the animal, 2 the background, 3 the
    outline.

    Raises:
        ValueError: an archive is another file or damaged.
    """
    pets = {pet.name: pet for pet in read_pets(annotations)}
    written = []
    try:
        for path, data in _members(images):
            pet = pets.get(path.stem)
            if pet and path.suffix == ".jpg":
                square = io.BytesIO()
                crop(Image.open(io.BytesIO(data)).convert("RGB"), pet.head, size).save(square, "WEBP", quality=90)
                write_atomically(folder / f"{pet.name}.webp", square.getvalue())
                written.append(pet)
    except (tarfile.TarError, EOFError, UnidentifiedImageError, zlib.error) as error:
        raise ValueError(f"{images} cannot be read: {error}; download images.tar.gz again.") from error
    if not written:
        raise ValueError(
            f"{images} holds none of the pictures that {annotations} lists; give the archive images.tar.gz."
        )
    _write_trimaps(annotations, {pet.name: pet for pet in written}, folder, size)
    write_atomically(folder / "captions.csv", _table(written).encode())
    return len(written)


def _write_trimaps(annotations: Path, pets: dict[str, Pet], folder: Path, size: int) -> None:
    try:
        for path, data in _members(annotations):
            pet = pets.get(path.stem)
            if pet and path.suffix == ".png" and path.parent.name == "trimaps":
                parts = io.BytesIO()
                crop(Image.open(io.BytesIO(data)), pet.head, size, Image.Resampling.NEAREST).save(parts, "PNG")
                write_atomically(folder / f"{pet.name}.png", parts.getvalue())
    except (tarfile.TarError, EOFError, UnidentifiedImageError, SyntaxError, zlib.error) as error:
        raise ValueError(f"{annotations} cannot be read: {error}; download annotations.tar.gz again.") from error


def _table(pets: list[Pet]) -> str:
    file = io.StringIO(newline="")
    table = csv.writer(file)
    table.writerow(["file", "split", "species", "breed", "caption"])
    for pet in sorted(pets, key=lambda p: p.name):
        caption = f"a photo of {with_article(f'{pet.breed} {pet.species}')}"
        table.writerow([f"{pet.name}.webp", pet.split, pet.species, pet.breed, caption])
    return file.getvalue()


def crop(image: Image.Image, head: Box, size: int, by: Image.Resampling = Image.Resampling.LANCZOS) -> Image.Image:
    """The square around a head, moved inside the picture where it sticks out."""
    left, top, right, bottom = head
    side = min(MARGIN * max(right - left, bottom - top), *image.size)
    x = min(max((left + right - side) / 2, 0), image.width - side)
    y = min(max((top + bottom - side) / 2, 0), image.height - side)
    return image.resize((size, size), by, box=(x, y, x + side, y + side))


def _head(data: bytes) -> Box:
    box = ElementTree.fromstring(data).find("object/bndbox")
    if box is None:
        raise ValueError("An annotation has no object/bndbox; download annotations.tar.gz again.")
    left, top, right, bottom = (float(box.findtext(key, "0")) for key in ("xmin", "ymin", "xmax", "ymax"))
    return left, top, right, bottom


def _members(archive: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    with tarfile.open(regular(archive)) as tar:
        for member in tar:
            file = tar.extractfile(member)
            if file is not None:
                yield PurePosixPath(member.name), file.read()


def main(words: list[str] | None = None) -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Build a captioned folder from the Oxford-IIIT Pet archives.")
    for name in ("images", "annotations", "folder"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args(words)
    try:
        count = build(given.images, given.annotations, given.folder)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    print(f"{count} pictures in {given.folder}")


if __name__ == "__main__":
    main()
