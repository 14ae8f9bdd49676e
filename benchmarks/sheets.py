"""Sheets of what was compared, to be looked at: figures do not see burnt colours and faces that come apart."""

from collections.abc import Sequence
from pathlib import Path

from zeroshift.bench.entries import Entry
from zeroshift.bench.items import Benchmark, picture_of
from zeroshift.bench.resuming import file_of
from zeroshift.image import load_image, save_image
from zeroshift.image.sheet import sheet

COLUMNS = 16
"""items of a sheet at most, the first ones"""


def write_sheets(benchmark: Benchmark, entries: Sequence[Entry], out: Path) -> list[Path]:
    """Write a sheet for each method, beside ``out``, where a picture would be taken for an edit.

    They have a column per item, the photograph above, a row per entry; what is not there yet says so.

    Raises:
        ImageError: a picture cannot be read or written.
    """
    items, places = benchmark.items[:COLUMNS], []
    for method in dict.fromkeys(entry.method for entry in entries):
        own = [entry for entry in entries if entry.method == method and (out / entry.name).is_dir()]
        if not own:
            continue
        photographs = [picture_of(item) for item in items]
        files = [[file_of(out, entry, item) for item in items] for entry in own]
        edits = [[load_image(file).image if file.is_file() else "not yet" for file in row] for row in files]
        labels = ["photograph", *(entry.name.removeprefix(f"{method}-") for entry in own)]
        places.append(out.parent / f"{out.name}-{method}.png")
        table = sheet([photographs, *edits], labels, [item.target for item in items])
        save_image(table, places[-1], recipe={"command": "sheet"})
    return places
