"""Pictures by the names of files, folders and patterns."""

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from zeroshift.image.errors import ImageError

EXTENSIONS = frozenset(
    ".png .jpg .jpeg .jpe .jfif .webp .tif .tiff .bmp .gif .ppm .pgm .pbm .pnm .jp2 .j2k .avif".split()
)
"""by which pictures are told from the other files of a folder; a file that is named itself may have any"""


@dataclass(frozen=True)
class Found:
    """A file that was named, or that lies in a folder that was."""

    path: Path
    under: Path = Path()
    """the folder that it lies in, as seen from the one that was named"""


def find_pictures(names: Sequence[Path], *, recursive: bool = False, apart: Path | None = None) -> list[Found]:
    """Files that ``names`` stand for, each once: files as they are, folders and patterns by their contents, sorted.

    Hidden files are left out, and of a folder all that have no picture's extension. Links to folders are not followed.

    Args:
        names: files, folders, or patterns such as "photos/*.jpg" (``**`` is any depth).
        recursive: whether folders in folders are looked through, too.
        apart: a folder that is not looked through: where results go.

    Raises:
        ImageError: a folder has no pictures, or nothing matches a pattern.
    """
    found = dict[str, Found]()
    for name in names:
        for one in _of_name(name, recursive, apart):
            found.setdefault(os.path.realpath(one.path), one)
    return list(found.values())


def _of_name(name: Path, recursive: bool, apart: Path | None) -> list[Found]:
    if name.is_dir():
        inside = list(_of_folder(name, recursive, apart))
        if not inside:
            deeper = "" if recursive else ", or look through its folders with `recursive`"
            raise ImageError(f"There are no pictures in the folder {name}: name another{deeper}.")
        return inside
    if os.path.lexists(name) or not glob.has_magic(str(name)):
        return [Found(name)]
    matches = [Found(path) for path in map(Path, sorted(glob.glob(str(name), recursive=True))) if not path.is_dir()]
    if not matches:
        raise ImageError(f"No file has a name like {name}: check the pattern.")
    return matches


def _of_folder(folder: Path, recursive: bool, apart: Path | None) -> Iterator[Found]:
    for root, folders, files in os.walk(folder):
        here = Path(root)
        shown = [name for name in sorted(folders) if not name.startswith(".")]
        folders[:] = [n for n in shown if recursive and (apart is None or not _same(here / n, apart))]
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in EXTENSIONS:
                yield Found(here / name, here.relative_to(folder))


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)
