"""Make Pets-Edit, a benchmark of small photographs of pets: ``python -m benchmarks.pets_edit DATA OUT [--splits ...]``.

DATA has a ``captions.csv`` (columns file, split, species) and its pictures, loose or in zip files, and trimaps of the
same names as PNG where they are known. OUT gets pictures/, masks/ and items.json, for ``zeroshift bench``. Tune on val
and bench-val alone; report on test and bench-test.
"""

import argparse
import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from zeroshift.bench.items import Row, write_plain
from zeroshift.cli.wrong import as_flags
from zeroshift.files import folder_atomically
from zeroshift.image.masks import mask_picture
from zeroshift.miniature.data import CaptionedFolder, CaptionedPicture

ANIMALS = {"cat": ("dog", "tiger"), "dog": ("cat",)}
"""what an animal is turned into"""
STYLES = {"sketch": "a pencil sketch of a {}", "painting": "a painting of a {}"}
"""what a whole photograph is turned into"""
BACKGROUND = 2
"""in the trimaps of Oxford's pets: 1 is the animal, 3 its outline, which counts as edited"""


def main() -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pets_edit", description="Make Pets-Edit.")
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--splits", nargs="+", default=["test", "bench-test"], metavar="NAME")
    given = parser.parse_args()
    try:
        data = CaptionedFolder.open(given.data)
        pictures = [one for one in data.split(*given.splits) if one.labels.get("species") in ANIMALS]
        with folder_atomically(given.out) as out:
            masks = copied(data.root, pictures, out)
            rows = [row for one in pictures for row in rows_of(one, one.file in masks)]
            write_plain(out, "Pets-Edit", rows)
    except ValueError as error:
        raise SystemExit(as_flags(str(error))) from error
    print(f"{given.out}: {len(rows)} edits of {len(pictures)} photographs, {len(masks)} with masks")


def rows_of(picture: CaptionedPicture, masked: bool) -> Iterator[Row]:
    """The edits of one photograph; those of the whole picture have no mask."""
    animal, stem = picture.labels["species"], Path(picture.file).stem
    file, mask, said = f"pictures/{picture.file}", f"masks/{stem}.png" if masked else None, f"a photo of a {animal}"
    for other in ANIMALS[animal]:
        task = f"{picture.split} {animal}-{other}"
        yield Row(f"{stem}-{other}", file, animal, other, said, f"a photo of a {other}", task, mask)
    for style, prompt in STYLES.items():
        changed = prompt.format(animal)
        yield Row(f"{stem}-{style}", file, said, changed, said, changed, f"{picture.split} {animal}-{style}")


def copied(root: Path, pictures: Sequence[CaptionedPicture], out: Path) -> set[str]:
    """Copy photographs, and their trimaps as masks; return which photographs have one.

    Raises:
        ValueError: a photograph is nowhere.
    """
    archives = [zipfile.ZipFile(path) for path in sorted(root.glob("*.zip"))]
    members = {name: archive for archive in archives for name in archive.namelist()}

    def read(name: str) -> bytes | None:
        if name in members:
            return members[name].read(name)
        return (root / name).read_bytes() if (root / name).is_file() else None

    found = set[str]()
    for folder in ("pictures", "masks"):
        (out / folder).mkdir()
    for one in pictures:
        photograph, trimap = read(one.file), read(f"{Path(one.file).stem}.png")
        if photograph is None:
            raise ValueError(f"The picture {one.file} is neither in {root} nor in its zip files.")
        (out / "pictures" / one.file).write_bytes(photograph)
        if trimap is not None:
            parts = np.asarray(Image.open(io.BytesIO(trimap)))
            mask_picture(parts != BACKGROUND).save(out / "masks" / f"{Path(one.file).stem}.png")
            found.add(one.file)
    return found


if __name__ == "__main__":
    main()
