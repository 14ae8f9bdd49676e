"""What a table of scored edits was made of and by, beside it: for reports, wherever the table lies."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from os.path import lexists
from pathlib import Path

from pydantic import TypeAdapter

from zeroshift.bench.entries import Entry
from zeroshift.bench.items import Benchmark
from zeroshift.bench.judging import Judges
from zeroshift.bench.running import read_own, read_run
from zeroshift.files import write_atomically


@dataclass(frozen=True)
class Provenance:
    """All of it."""

    benchmark: str = ""
    items: int = 0
    judges: Mapping[str, str] = field(default_factory=dict)
    """what scored, and in which mode"""
    commands: tuple[str, ...] = ()
    """what made the edits, where that is known, and the table"""
    entries: tuple[Entry, ...] = ()


_PROVENANCE = TypeAdapter(Provenance)


def place_of(table: Path) -> Path:
    """Where it stands: ``items.csv.json`` beside ``items.csv``."""
    return table.with_name(f"{table.name}.json")


def write_provenance(table: Path, edits: Path, benchmark: Benchmark, judges: Judges, command: str) -> None:
    """Note what a table is of, with what ``edits`` says of how they were made.

    Raises:
        ValueError: that is damaged.
    """
    ran = read_run(edits)
    found = Provenance(benchmark.name, len(benchmark.items), judges.names, (*ran.commands, command), ran.entries)
    write_atomically(place_of(table), f"{json.dumps(asdict(found), indent=1)}\n".encode())


def read_provenance(table: Path) -> Provenance:
    """What a table is of; where nothing stands beside it, what made the edits that it lies with.

    Raises:
        ValueError: that is damaged.
    """
    path = place_of(table)
    if lexists(path):
        return read_own(_PROVENANCE, path, "without it, a report knows no commands")
    ran = read_run(table.parent)
    return Provenance(commands=ran.commands, entries=ran.entries)
