"""What a benchmark asks for: pictures, each with an edit and perhaps the region that it is of."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from zeroshift.evaluation.regions import Mode
from zeroshift.faults import plain
from zeroshift.files import read_regular, regular
from zeroshift.image import load_image
from zeroshift.image.errors import ImageError
from zeroshift.image.registration import Mask

ITEMS = "items.json"
"""the table of a folder in the plain format"""


@dataclass(frozen=True)
class Runs:
    """A mask as PIE-Bench has it: starts and lengths of runs of edited pixels, row after row, of 512 x 512."""

    numbers: tuple[int, ...]
    side: int = 512

    def mask(self, mode: Mode) -> Mask:
        """The mask (H, W); ``paper`` counts the frame's outermost pixels as edited, as its evaluator does."""
        flat = np.zeros(self.side**2, np.bool_)
        for start, length in zip(self.numbers[::2], self.numbers[1::2], strict=True):
            flat[start : start + length] = True
        found = flat.reshape(self.side, self.side)
        if mode == "paper":
            found[[0, -1]] = found[:, [0, -1]] = True
        return found


@dataclass(frozen=True)
class Item:
    """One picture and one edit of it."""

    name: str
    """by which edits are found: their files are called so, or as the picture is if no other item has that"""
    picture: Path
    source: str
    """the word of ``source_prompt`` that is edited, or all of it"""
    target: str
    """the word that takes its place, or the whole target prompt"""
    source_prompt: str
    target_prompt: str
    task: str
    """what items are taken together by, such as a kind of edit"""
    mask: Path | Runs | None = None
    blended: tuple[str, str] | None = None
    """words of the source and of the target prompt that local blend and amplifying of Prompt-to-Prompt go by"""

    def region(self, mode: Mode) -> Mask | None:
        """Where the edit is meant to be, (H, W), if that is known: the light pixels of a mask.

        Raises:
            ImageError: the mask's file cannot be read.
        """
        if isinstance(self.mask, Runs):
            return self.mask.mask(mode)
        if self.mask is None:
            return None
        try:
            with Image.open(regular(self.mask)) as picture:
                found: Mask = np.asarray(picture.convert("L")) >= 128
        except OSError as error:
            raise ImageError(f"The mask {self.mask} cannot be read ({plain(error)}); get it anew.") from error
        return found


@dataclass(frozen=True)
class Benchmark:
    """A named list of items."""

    name: str
    items: tuple[Item, ...]
    strips: bool = False
    """whether edits may be strips of several pictures, of which the last is the edit, as PIE-Bench's authors write"""
    root: Path = field(default=Path(), compare=False)
    whole: tuple[Item, ...] = field(default=(), compare=False)
    """the items that these were drawn of; empty where they are all"""

    left_out: tuple[Item, ...] = field(default=(), compare=False)
    """items of other tasks"""

    @cached_property
    def shared(self) -> frozenset[str]:
        """What a file may be called without saying of which item it is: pictures' names that several have."""
        named = Counter(name for item in self.whole or self.items for name in {item.name, item.picture.stem})
        return frozenset(name for name, count in named.items() if count > 1)

    def drawn(self, count: int) -> "Benchmark":
        """``count`` items of each task (all of a task that has fewer), those whose names' hashes are smallest.

        Tasks go round, so that the first items are of every task.
        """
        ranked = list[tuple[int, int, Item]]()
        for place, task in enumerate(dict.fromkeys(item.task for item in self.items)):
            own = sorted((item for item in self.items if item.task == task), key=_draw)
            ranked += [(rank, place, item) for rank, item in enumerate(own[:count])]
        items = tuple(item for _, _, item in sorted(ranked, key=lambda one: one[:2]))
        return replace(self, items=items, whole=self.whole or self.items)

    def of_tasks(self, tasks: Sequence[str]) -> "Benchmark":
        """The items of these tasks alone.

        Raises:
            ValueError: there is no such task.
        """
        known = list(dict.fromkeys(item.task for item in self.items))
        if missing := [task for task in tasks if task not in known]:
            raise ValueError(f"{self.name} has no task {missing[0]}; it has {', '.join(known)}.")
        own = tuple(item for item in self.items if item.task in tasks)
        others = tuple(item for item in self.items if item.task not in tasks)
        return replace(self, items=own, whole=(), left_out=(*self.left_out, *others))


@dataclass(frozen=True)
class Row:
    """An item as ``items.json`` has it; files are named from the folder's own place."""

    name: str
    picture: str
    source: str
    target: str
    source_prompt: str
    target_prompt: str
    task: str
    mask: str | None = None


@dataclass(frozen=True)
class Table:
    """All of ``items.json``."""

    name: str
    items: tuple[Row, ...]


_TABLE = TypeAdapter(Table)


def read_plain(root: Path) -> Benchmark:
    """A benchmark from a folder's ``items.json``.

    Raises:
        ValueError: it is not as it should be, names an item twice, or a picture is not there.
    """
    path = root / ITEMS
    try:
        table = _TABLE.validate_json(read_regular(path))
    except (OSError, ValidationError) as error:
        raise ValueError(f"{path} is not a benchmark's table: {plain(error)}.") from error
    items = tuple(
        Item(
            row.name,
            root / row.picture,
            row.source,
            row.target,
            row.source_prompt,
            row.target_prompt,
            row.task,
            None if row.mask is None else root / row.mask,
        )
        for row in table.items
    )
    return checked(Benchmark(table.name, items, root=root))


def write_plain(root: Path, name: str, rows: Sequence[Row]) -> None:
    """Write a folder's ``items.json``."""
    table = _TABLE.dump_python(Table(name, tuple(rows)), mode="json")
    (root / ITEMS).write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def checked(benchmark: Benchmark) -> Benchmark:
    """Refuse a benchmark that names an item twice, or has none.

    Raises:
        ValueError: it does.
    """
    names = [item.name for item in benchmark.items]
    if not names:
        raise ValueError(f"There are no items in {benchmark.root}; give the folder of a whole benchmark.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{benchmark.name} names the item {twice} twice, so edits cannot be told apart; rename one.")
    return benchmark


def picture_of(item: Item) -> Image.Image:
    """An item's photograph, RGB.

    Raises:
        ImageError: it cannot be read.
    """
    return load_image(item.picture).image


def _draw(item: Item) -> str:
    return hashlib.sha256(item.name.encode()).hexdigest()
