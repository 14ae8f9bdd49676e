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
    editor: "Editor", benchmark: Benchmark, entries: Sequence[Entry], out: Path, *, seed: int = 0
) -> Iterator[Step]:
    """Make every edit that is not there yet, one at a time, and yield after each.

    Nothing is shared between edits but the encoded sentences of words, so that each one's seconds are what it takes
    alone: inversion, edit and decoding.

    Raises:
        OSError: a file cannot be written.
    """
    todo = left(benchmark, entries, out)
    for done, (item, entry) in enumerate(todo, start=1):
        made = _edited(editor, item, entry, file_of(out, entry, item), seed)
        times = read_times(out / entry.name) | {item.name: made}
        text = json.dumps({name: {"seconds": one.seconds, "error": one.error} for name, one in times.items()}, indent=1)
        write_atomically(out / entry.name / TIMES, f"{text}\n".encode())
        yield Step(done, len(todo), made)


def _edited(editor: "Editor", item: Item, entry: Entry, place: Path, seed: int) -> Made:
    begun = time.perf_counter()
    try:
        result = editor.edit(item.picture, entry.spec(item, seed))
    except (ValueError, Unsupported) as error:
        return Made(entry.name, item.name, time.perf_counter() - begun, str(error))
    seconds = time.perf_counter() - begun
    place.parent.mkdir(parents=True, exist_ok=True)
    save_image(result.image, place, recipe=result.recipe)
    return Made(entry.name, item.name, seconds)


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
