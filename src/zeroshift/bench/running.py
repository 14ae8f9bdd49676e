"""Editing a benchmark: one file per item and entry, so that a run that was stopped goes on where it was."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from os.path import lexists
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter, ValidationError

from zeroshift.bench.entries import Entry
from zeroshift.bench.items import Benchmark, Item
from zeroshift.bench.resuming import due, file_of
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.faults import plain
from zeroshift.files import read_regular, write_atomically
from zeroshift.image import save_image

if TYPE_CHECKING:
    from zeroshift.editor import Editor
    from zeroshift.inversions import InversionStore

T = TypeVar("T")
RUN = "run.json"
"""what was run, beside the folders of entries"""
TIMES = "seconds.json"
"""in an entry's folder: how long each item took, or why it failed"""


@dataclass(frozen=True)
class Made:
    """What became of one item."""

    entry: str
    item: str
    seconds: float
    error: str = ""
    """why there is no picture"""


@dataclass(frozen=True)
class Step:
    """How far a run is."""

    done: int
    total: int
    made: Made


@dataclass(frozen=True)
class Ran:
    """All of ``run.json``."""

    benchmark: str = ""
    items: int = 0
    """of the last run"""
    commands: tuple[str, ...] = ()
    """what made the edits that lie there"""
    entries: tuple[Entry, ...] = ()
    """as they were run: with their seeds, and with the models that made their edits"""


@dataclass(frozen=True)
class Took:
    """An item in ``seconds.json``."""

    seconds: float
    error: str = ""


_RAN = TypeAdapter(Ran)
_TIMES = TypeAdapter(dict[str, Took])


def run(
    editor: "Editor",
    benchmark: Benchmark,
    entries: Sequence[Entry],
    out: Path,
    *,
    seed: int = 0,
    batch: int = 1,
    inversions: "InversionStore | None" = None,
    todo: Sequence[tuple[Item, Entry]] | None = None,
) -> Iterator[Step]:
    """Make every edit that is not there yet, and yield after each; what failed before is tried again.

    By default one at a time, and nothing is shared between edits but the encoded sentences of words, so that each one's
    seconds are what it takes alone: inversion, edit and decoding.

    Args:
        seed: seed of everything random, the same for every item.
        batch: how many items of the same words an entry edits together; an edit's seconds are its share of theirs.
        inversions: where inversions are kept, so that entries that invert alike do it once; seconds are less for all
            but the first.
        todo: what to make, as ``due`` says it; by default nothing is overwritten.

    Raises:
        ValueError: something that is there was made otherwise than is asked for.
        OSError: a file cannot be written.
    """
    if todo is None:
        todo = due(editor, benchmark, entries, out, seed=seed)
    done = 0
    for entry, items in together(todo, batch):
        for made in _edited(editor, items, entry, out, seed, inversions):
            times = read_times(out / entry.name) | {made.item: made}
            plain = {name: {"seconds": one.seconds, "error": one.error} for name, one in times.items()}
            write_atomically(out / entry.name / TIMES, f"{json.dumps(plain, indent=1)}\n".encode())
            done += 1
            yield Step(done, len(todo), made)


def together(todo: Sequence[tuple[Item, Entry]], batch: int) -> list[tuple[Entry, list[Item]]]:
    """What an entry edits at a time: items of the same words, ``batch`` at most, in the order of their first ones."""
    found = list[tuple[Entry, list[Item]]]()
    filling: dict[tuple[str, ...], list[Item]] = {}
    for item, entry in todo:
        key = (entry.name, item.source, item.target, item.source_prompt, item.target_prompt, str(item.blended))
        items = filling.get(key)
        if items is None or len(items) == batch:
            items = filling[key] = []
            found.append((entry, items))
        items.append(item)
    return found


def _edited(
    editor: "Editor", items: Sequence[Item], entry: Entry, out: Path, seed: int, inversions: "InversionStore | None"
) -> Iterator[Made]:
    """Edit items of the same words; where that fails, each alone, so that the one at fault is known."""
    begun = time.perf_counter()
    try:
        spec = entry.spec(items[0], seed)
        results = editor.edit([item.picture for item in items], spec, batch=len(items), inversions=inversions)
    except (ValueError, Unsupported) as error:
        if len(items) > 1:
            for item in items:
                yield from _edited(editor, [item], entry, out, seed, inversions)
        else:
            file_of(out, entry, items[0]).unlink(missing_ok=True)  # one of another seed or options
            yield Made(entry.name, items[0].name, time.perf_counter() - begun, str(error))
        return
    seconds = (time.perf_counter() - begun) / len(items)
    for item, result in zip(items, results, strict=True):
        place = file_of(out, entry, item)
        place.parent.mkdir(parents=True, exist_ok=True)
        save_image(result.image, place, recipe=result.recipe)
        yield Made(entry.name, item.name, seconds)


def warm_up(editor: "Editor", item: Item) -> None:
    """Edit a picture in two steps and drop it, so that the first edit's seconds are not longer than the others'."""
    with suppress(ValueError, Unsupported):  # the run itself says what is wrong with the item
        editor.edit(item.picture, Entry("warm-up", "ddim", {"steps": 2}, paper_defaults=True).spec(item, 0))


def read_times(folder: Path) -> dict[str, Made]:
    """What became of an entry's items, by their names; empty where nobody wrote it, as for other tools' edits.

    Raises:
        ValueError: the file is damaged.
    """
    path = folder / TIMES
    if not lexists(path):
        return {}
    found = read_own(_TIMES, path, "without it, the seconds of edits that are there are not known")
    return {name: Made(folder.name, name, one.seconds, one.error) for name, one in found.items()}


def seconds_for(todo: Sequence[tuple[Item, Entry]], took: Mapping[str, Sequence[float]]) -> float | None:
    """About how long edits will take, by the seconds of each entry's earlier ones; None where an entry has none."""
    if not all(took.get(entry.name) for _, entry in todo):
        return None
    return sum(fmean(took[entry.name]) for _, entry in todo)


def took_before(entries: Sequence[Entry], out: Path) -> dict[str, list[float]]:
    """Seconds of the edits that are there, by entry.

    Raises:
        ValueError: a file of them is damaged.
    """
    return {
        entry.name: [one.seconds for one in read_times(out / entry.name).values() if not one.error] for entry in entries
    }


def write_run(out: Path, benchmark: Benchmark, entries: Sequence[Entry], model: str, seed: int, command: str) -> None:
    """Note what is run, each entry with its seed and model; entries of earlier runs stay, so that a report knows them.

    Raises:
        ValueError: what was noted before is damaged.
    """
    before = read_run(out)
    now = [replace(entry, seed=seed if entry.seed is None else entry.seed, model=model) for entry in entries]
    known = {entry.name: entry for entry in (*before.entries, *now)}
    facts = Ran(
        benchmark.name, len(benchmark.items), (*dict.fromkeys([*before.commands, command]),), (*known.values(),)
    )
    write_atomically(out / RUN, f"{json.dumps(asdict(facts), indent=1)}\n".encode())


def read_run(out: Path) -> Ran:
    """What earlier runs noted; nothing where other tools made the edits.

    Raises:
        ValueError: it is damaged.
    """
    path = out / RUN
    return read_own(_RAN, path, "without it, a report knows neither commands nor curves") if lexists(path) else Ran()


def read_own(kind: TypeAdapter[T], path: Path, lost: str) -> T:
    """A file that an earlier command has written; ``lost`` is what is not known without it.

    Raises:
        ValueError: it is damaged.
    """
    try:
        return kind.validate_json(read_regular(path))
    except (OSError, ValidationError) as error:
        raise ValueError(f"{path} is damaged ({plain(error)}); mend it or take it away: {lost}.") from error
