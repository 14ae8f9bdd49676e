"""What lies on somebody's desk: the photograph, what is asked for, and what became of it. One for each open page."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path, PurePath
from shutil import rmtree
from typing import Literal, TypeAlias
from weakref import finalize

from torch import Tensor

from zeroshift.asked.data import GivenMask
from zeroshift.asked.edits import EditSpec
from zeroshift.framed import FramedPhoto
from zeroshift.image import Photo
from zeroshift.image.reader import READABLE
from zeroshift.image.regions import Region
from zeroshift.running.turns import Turns
from zeroshift.ui.filed import Filed

Mode: TypeAlias = Literal["auto", "box", "brush", "whole"]
Fractions: TypeAlias = tuple[float, float, float, float]
"""left, top, width, height as shares of a picture's sides"""
UNNAMED = "photograph"
"""where no name is left of what was said"""
MOST_NAME = 200
"""bytes of a file's name; file systems take 255"""
MOST_FILE = 100_000_000
"""bytes of one photograph's file"""
MOST_KEPT = 4_000_000_000
"""bytes of all that was brought and made"""


@dataclass(frozen=True)
class Where:
    """Where somebody wants a photograph to change."""

    mode: Mode = "auto"
    box: Fractions | None = None
    mask: Photo | None = None
    """what was painted, of the photograph's size"""
    said: Mapping[str, object] = field(default_factory=dict)
    """fields of an ``EditSpec`` that a recipe has, until somebody chooses otherwise"""

    @property
    def painted(self) -> Photo | None:
        """The mask, where the brush is chosen."""
        return self.mask if self.mode == "brush" else None

    def asked(self, photo: Photo) -> dict[str, object]:
        """The same as an ``EditSpec`` has it."""
        if self.said:
            return dict(self.said)
        if self.mode == "whole":
            return {"region": "none", "mask": "none"}
        if self.mode == "box" and self.box is not None:
            return {"region": str(region_of(self.box, photo))}
        return {} if self.painted is None else {"mask": GivenMask(sha256=self.painted.sha256)}


def file_name(said: str) -> str:
    """A name that a file can have here, from one that somebody or a recipe says: no folders, nothing unprintable."""
    last = said.replace("\\", "/").rpartition("/")[2]
    name = PurePath("".join(one for one in last if one.isprintable()).strip(" ."))
    suffix = kept_within(name.suffix, MOST_NAME // 2)
    return kept_within(name.stem or UNNAMED, MOST_NAME - len(suffix.encode())) + suffix


def kept_within(text: str, most: int) -> str:
    """The beginning of a text that takes no more bytes than ``most``."""
    return text.encode(errors="replace")[: max(1, most)].decode(errors="ignore")


def region_of(box: Fractions, photo: Photo) -> Region:
    """The part of a photograph in whole pixels."""
    width, height = photo.image.size
    left, top = round(box[0] * width), round(box[1] * height)
    return Region.of((left, top, round((box[0] + box[2]) * width), round((box[1] + box[3]) * height)))


@dataclass(frozen=True, eq=False)
class Made:
    """A finished edit."""

    key: int
    source: Filed | None
    """the photograph's file; None where a result was brought without it"""
    name: str
    """of the photograph's file"""
    place: Where
    """where it changed the photograph, but for what was painted"""
    mask: Filed | None
    """what was painted"""
    spec: EditSpec
    file: Path
    """the picture with its recipe"""
    before: Path
    after: Path
    """both of one size, for the slider"""
    seconds: float | None = None
    part: str | None = None
    caption: str = ""
    """the source prompt"""
    advice: str = ""
    doubts: tuple[str, ...] = ()
    drift: Mapping[str, object] | None = None

    @property
    def photo(self) -> Photo | None:
        """The photograph, read from its file; None where a result was brought without it."""
        return None if self.source is None else self.source.photo

    @property
    def where(self) -> Where:
        """Where it changed the photograph."""
        return self.place if self.mask is None else replace(self.place, mask=self.mask.photo)

    def is_of(self, photo: Photo) -> bool:
        """Whether it is an edit of that photograph."""
        return self.source is not None and self.source.sha256 == photo.sha256


@dataclass(eq=False)
class Desk:
    """All of it."""

    photo: Photo | None = None
    name: str = ""
    where: Where = Where()
    options: dict[str, object] = field(default_factory=dict)
    """nested options of the method that differ from what the model recommends"""
    framing: dict[str, object] = field(default_factory=dict)
    """other fields of an ``EditSpec`` that somebody set"""
    made: list[Made] = field(default_factory=list)
    shown: Made | None = None
    looked: tuple[FramedPhoto, dict[str, Tensor]] | None = None
    """the photograph as the model saw it last, and where the words looked"""
    awaits: str = ""
    """hash of the photograph of a result that was brought without it"""
    home: Path | None = None
    """where its folder is made; None is where the system has what is temporary"""
    folder: Path | None = None
    compared: int = 0
    """comparisons that were begun and options that changed: what was counted before is not told any more"""
    keys: "count[int]" = field(default_factory=count)
    """of edits: one that failed while it was written, or another that runs, does not share its own"""
    gone: int = 0
    """edits that went for want of room, and nobody was told yet"""
    runs: list["Desk"] = field(default_factory=list, repr=False)
    """the copies ``with_photo`` that runs are of just now"""
    own: list[Made] = field(default_factory=list)
    """what such a copy's run has made"""

    def place(self) -> Path:
        """The folder of its files."""
        if self.folder is None:
            if self.home is not None:
                self.home.mkdir(mode=0o700, parents=True, exist_ok=True)  # what cleans /tmp takes empty folders
            self.folder = Path(tempfile.mkdtemp(prefix="zeroshift-", dir=self.home))
            finalize(self, delete_if_own, self.folder, os.getpid())  # with the desk, or when the process ends
        return self.folder

    def clear(self) -> None:
        """Let go of all that lies here, and of its files."""
        self.photo, self.where, self.looked, self.shown, self.awaits = None, Where(), None, None, ""
        self.made.clear()
        if self.folder is not None:
            rmtree(self.folder, ignore_errors=True)
            self.folder = None

    @property
    def spare(self) -> list[Made]:
        """The edits that may go for want of room, the oldest first: not the shown one, nor those of a run that goes on.

        Those are about to be shown, as one picture or side by side.
        """
        kept = {one.key for run in [*self.runs] for one in [*run.own]}
        kept |= set() if self.shown is None else {self.shown.key}
        return [one for one in [*self.made] if one.key not in kept]

    def let_go(self, made: Made) -> None:
        """Let an edit and its files go."""
        self.made.remove(made)
        self.gone += 1
        rmtree(made.before.parent, ignore_errors=True)
        if made.source is not None and not self.needs(made.source):
            made.source.file.unlink(missing_ok=True)

    def needs(self, source: Filed) -> bool:
        """Whether a photograph's file is that of an edit, or may be that of one in a moment: it lies here, or runs."""
        edited = any(one.source == source for one in [*self.made])
        return edited or any(one.photo is not None and one.photo.sha256 == source.sha256 for one in [self, *self.runs])

    @contextmanager
    def running(self, on: "Desk") -> Iterator[None]:
        """While a run of what lies ``on`` a copy goes on, neither its photograph nor what it has made goes."""
        self.runs.append(on)
        try:
            yield
        finally:
            self.runs.remove(on)

    def of(self, key: int) -> Made:
        """The edit of that key.

        Raises:
            ValueError: it is gone.
        """
        for one in self.made:
            if one.key == key:
                return one
        raise ValueError("That edit is not here any more; drop its file on the page to have it back.")

    def with_photo(self, photo: Photo, name: str, where: Where) -> "Desk":
        """The same desk with its edits, but that photograph on it: a run's own, whatever comes meanwhile."""
        self.place()
        return replace(self, photo=photo, name=name, where=where, own=[])

    def shows(self, photo: Photo | None) -> bool:
        """Whether that photograph lies here."""
        return None not in (photo, self.photo) and photo.sha256 == self.photo.sha256  # type: ignore[union-attr]

    def made_before(self, spec: EditSpec, photo: Photo) -> Made | None:
        """The same edit of the same photograph, if it is there."""
        return next((one for one in self.made if one.spec == spec and one.is_of(photo)), None)


def delete_if_own(folder: Path, process: int) -> None:
    """Delete a folder when the process of that number ends: one that was forked from it leaves it there."""
    if os.getpid() == process:
        rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Host:
    """What a page is told by the application that it is mounted on."""

    turns: Turns = field(default_factory=Turns)
    """whose turn it is on the editor's device"""
    megapixels: float = 100
    """of a photograph, 1e6 pixels"""
    formats: tuple[str, ...] = READABLE
    """of photographs that are read"""
    file_bytes: int = MOST_FILE
    """of a photograph's file"""
