"""Editing a benchmark: one file per item and entry, so that a run that was stopped goes on where it was."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zeroshift.bench.entries import Entry
from zeroshift.bench.items import Benchmark, Item
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.files import write_atomically
from zeroshift.image import save_image

if TYPE_CHECKING:
    from zeroshift.editor import Editor
    from zeroshift.inversions import InversionStore

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


def left(benchmark: Benchmark, entries: Sequence[Entry], out: Path) -> list[tuple[Item, Entry]]:
    """What is not there yet, item by item, so that a run that is stopped has as many of every entry.

    What failed before counts as done, for it would fail again; without its entry's ``seconds.json`` it is tried anew.
    """
    failed = {
        entry.name: {name for name, one in read_times(out / entry.name).items() if one.error} for entry in entries
    }
    return [
        (item, entry)
        for item in benchmark.items
        for entry in entries
        if item.name not in failed[entry.name] and not file_of(out, entry, item).is_file()
    ]


def file_of(out: Path, entry: Entry, item: Item) -> Path:
    """Where an edit goes."""
    return out / entry.name / f"{item.name}.png"


def run(
    editor: "Editor",
    benchmark: Benchmark,
    entries: Sequence[Entry],
    out: Path,
    *,
    seed: int = 0,
    batch: int = 1,
    inversions: "InversionStore | None" = None,
) -> Iterator[Step]:
    """Make every edit that is not there yet, and yield after each.

    By default one at a time, and nothing is shared between edits but the encoded sentences of words, so that each one's
    seconds are what it takes alone: inversion, edit and decoding.

    Args:
        seed: seed of everything random, the same for every item.
        batch: how many items of the same words an entry edits together; an edit's seconds are its share of theirs.
        inversions: where inversions are kept, so that entries that invert alike do it once; seconds are less for all
            but the first.

    Raises:
        OSError: a file cannot be written.
    """
    todo = left(benchmark, entries, out)
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
            yield Made(entry.name, items[0].name, time.perf_counter() - begun, str(error))
        return
    seconds = (time.perf_counter() - begun) / len(items)
    for item, result in zip(items, results, strict=True):
        place = file_of(out, entry, item)
        place.parent.mkdir(parents=True, exist_ok=True)
        save_image(result.image, place, recipe=result.recipe)
        yield Made(entry.name, item.name, seconds)


def read_times(folder: Path) -> dict[str, Made]:
    """What became of an entry's items, by their names; empty where nobody wrote it, as for other tools' edits."""
    path = folder / TIMES
    if not path.is_file():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))
    return {name: Made(folder.name, name, one["seconds"], one["error"]) for name, one in found.items()}


def write_run(out: Path, benchmark: Benchmark, entries: Sequence[Entry], model: str, seed: int, command: str) -> None:
    """Note what is run; entries of earlier runs stay, so that a report knows all of them."""
    known = {entry.name: entry for entry in (*read_entries(out), *entries)}
    facts = {
        "benchmark": benchmark.name,
        "items": len(benchmark.items),
        "model": model,
        "seed": seed,
        "commands": [*dict.fromkeys([*commands(out), command])],
        "entries": [asdict(entry) for entry in known.values()],
    }
    write_atomically(out / RUN, f"{json.dumps(facts, indent=1)}\n".encode())


def read_entries(out: Path) -> list[Entry]:
    """The entries of earlier runs; none where other tools made the edits."""
    return [Entry(**one) for one in _facts(out).get("entries", [])]


def commands(out: Path) -> list[str]:
    """The commands that made what lies there."""
    return list(_facts(out).get("commands", []))


def _facts(out: Path) -> dict[str, list]:  # type: ignore[type-arg]
    path = out / RUN
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
