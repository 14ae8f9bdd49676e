"""How well photographs come back from an entry's inversion: inverted, and sampled along the source prompt, in dB."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from os.path import lexists
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from zeroshift.bench.entries import Entry
from zeroshift.bench.items import Benchmark, Item
from zeroshift.bench.resuming import file_of
from zeroshift.bench.running import read_own
from zeroshift.evaluation.imagenet import as_bytes
from zeroshift.evaluation.pixels import psnr
from zeroshift.files import sha256_of_file, write_atomically
from zeroshift.running.batching import groups
from zeroshift.running.groups import run_group
from zeroshift.running.looking import look_at

if TYPE_CHECKING:
    from zeroshift.editor import Editor
    from zeroshift.inversions import InversionStore

FILE = "reconstruction.json"
"""in an entry's folder: what came back of each item's photograph"""
NOT_INVERTED = ("noised", "random")
"""kinds of inversions that find nothing: they begin with fresh noise"""


@dataclass(frozen=True)
class Returned:
    """An item in ``reconstruction.json``."""

    decibels: float
    """PSNR to what the model saw of the photograph"""
    edit_sha256: str
    """of the edit that was there then: another was perhaps made otherwise"""


_RETURNED = TypeAdapter(dict[str, Returned])


def unmeasured(
    editor: "Editor", benchmark: Benchmark, entries: Sequence[Entry], out: Path, seed: int = 0
) -> list[tuple[Item, Entry]]:
    """The edits that are there, of entries that invert, whose photograph's return was not measured yet."""
    found = list[tuple[Item, Entry]]()
    for entry in entries:
        known = read_returned(out / entry.name)
        for item in benchmark.items:
            path = file_of(out, entry, item)
            if not path.is_file() or entry.spec(item, seed).built(editor).inversion.kind in NOT_INVERTED:
                continue
            if item.name not in known or known[item.name].edit_sha256 != sha256_of_file(path):
                found.append((item, entry))
    return found


def reconstruct(
    editor: "Editor",
    todo: Sequence[tuple[Item, Entry]],
    out: Path,
    *,
    seed: int = 0,
    inversions: "InversionStore | None" = None,
) -> Iterator[tuple[Item, Entry, float]]:
    """Measure how well photographs come back, one after another, and yield the dB of each.

    An edit is made once more on the way and dropped: what is there, and its seconds, stay.

    Args:
        todo: what ``unmeasured`` says.
        inversions: where inversions are kept that are used again.

    Raises:
        ValueError: a picture cannot be read.
        OSError: a file cannot be written.
    """
    for item, entry in todo:
        decibels = returned(editor, item, entry, seed, inversions)
        one = Returned(decibels, sha256_of_file(file_of(out, entry, item)))
        every = read_returned(out / entry.name) | {item.name: one}
        plain = {name: asdict(each) for name, each in every.items()}
        write_atomically(out / entry.name / FILE, f"{json.dumps(plain, indent=1)}\n".encode())
        yield item, entry, decibels


def returned(editor: "Editor", item: Item, entry: Entry, seed: int, inversions: "InversionStore | None") -> float:
    """PSNR of what comes back of an item's photograph to what the model saw of it, both at the model's size."""
    spec = entry.spec(item, seed)
    (group,) = groups(editor, look_at(editor, [item.picture], spec), [spec], batch=1)
    *_, last = run_group(editor, group, reconstruct=True, inversions=inversions)
    found = last.results[0][0].reconstruction
    assert found is not None  # it was asked for
    return float(psnr(as_bytes(group.frames[0].pixels), as_bytes(found)))


def read_returned(folder: Path) -> dict[str, Returned]:
    """What came back of an entry's photographs, by items' names; empty where nobody measured it.

    Raises:
        ValueError: the file is damaged.
    """
    path = folder / FILE
    return read_own(_RETURNED, path, "it is measured again then") if lexists(path) else {}
