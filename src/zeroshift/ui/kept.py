"""The files of a page: where they lie, how many there may be, and which go first where there are more."""

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gradio_client.utils import strip_invalid_filename_characters as copied_name

from zeroshift.service.refusals import Refusal
from zeroshift.ui.desk import MOST_KEPT
from zeroshift.ui.visits import Closed

COMING = 120.0
"""seconds in which a file that was brought is in use, whoever brought it"""
FULL = Refusal(
    413,
    "too_large",
    f"There is no room for that file: what open pages show, and what came in the last {COMING / 60:g} minutes, is more "
    f"than the {MOST_KEPT / 1e9:g} GB that may lie here. Bring it again in {COMING / 60:g} minutes; if that does not "
    "help, close other open pages.",
)


@dataclass(frozen=True)
class Kept:
    """Where the files of a page lie."""

    home: Path | None = None
    """the folder of all of them; None where nobody counts them"""
    closed: Closed = field(default_factory=Closed)
    """whose they are"""

    @property
    def desks(self) -> Path | None:
        """The folder of what was made."""
        return self._made("desks")

    @property
    def copies(self) -> Path | None:
        """The folder of what was brought, and of Gradio's copies of what is shown."""
        return self._made("copies")

    def _made(self, name: str) -> Path | None:
        if self.home is None:
            return None
        (self.home / name).mkdir(exist_ok=True)
        return self.home / name

    def make_room(self) -> None:
        """Where too many files lie here, delete what is no open page's, then open pages' oldest edits.

        Raises:
            Refusal: there are too many all the same.
        """
        if not self.has_room():
            raise FULL

    def has_room(self) -> bool:
        """The same; whether there are few enough now."""
        if self.home is None or self.too_many() <= 0:
            return True
        self._sweep_copies()
        while self.too_many() > 0:
            if not self.closed.let_go():
                if not self.closed.thin_out(lambda folder: total(files_in(folder))):
                    return False
                self._sweep_copies()
        return True

    def _sweep_copies(self) -> None:
        """Where too many files lie here, delete copies of what no open page has, the oldest first."""
        copies = self.copies
        assert copies is not None
        shown = [file for folder in self.closed.folders() for file in files_in(folder)]
        mine = {(copied_name(file.name), bytes_of(file)) for file in shown}
        over, late = self.too_many(), time.time() - COMING
        for file in sorted(files_in(copies), key=changed):
            if over > 0 and changed(file) < late and (file.name, bytes_of(file)) not in mine:
                over -= bytes_of(file)
                file.unlink(missing_ok=True)

    def too_many(self) -> int:
        """Bytes by which there are too many."""
        assert self.home is not None
        return total(files_in(self.home)) - MOST_KEPT


def files_in(folder: Path) -> Iterator[Path]:
    """Yield all files below a folder; of what is deleted meanwhile, as desks are by other threads, nothing."""
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names)


def total(files: Iterable[Path]) -> int:
    """The length of all of them."""
    return sum(map(bytes_of, files))


def bytes_of(file: Path) -> int:
    """The length of a file; 0 of what is gone since it was listed, as Gradio deletes old ones."""
    try:
        return file.stat().st_size if file.is_file() else 0
    except OSError:
        return 0


def changed(file: Path) -> float:
    """When a file was written, or handed out again; now where it is gone."""
    try:
        return file.stat().st_mtime
    except OSError:
        return time.time()
