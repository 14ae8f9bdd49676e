"""The figures of ``zeroshift quality``: the model card's table and samples, and the README's table."""

import json
from collections.abc import Sequence
from dataclasses import fields

from remake.asked import command
from remake.pages import put
from remake.place import Job, Jobs, Place
from zeroshift.evaluation.bars import Bar
from zeroshift.files import write_atomically


def jobs() -> Jobs:
    return [Job("quality", make, with_data=True)]


def make(place: Place) -> str:
    """Measure the model, and write what was found into card and README."""
    folder = place.work / "quality"
    card = ["--card", str(place.model / "README.md")]
    command(["quality", str(place.data), "-o", str(folder), *card, *place.of_model])
    return fill(place)


def fill(place: Place) -> str:
    """Take what was measured last."""
    folder = place.work / "quality"
    measured = json.loads((folder / "quality.json").read_text(encoding="utf-8"))
    write_atomically(place.model / "samples.png", (folder / "samples.png").read_bytes())
    return f"samples.png, card, {put(place.root, {'quality': table(measured['bars'])})}"


def table(rows: Sequence[dict[str, object]]) -> str:
    """Return what is to be reached, and what was, as a table."""
    names = {field.name for field in fields(Bar)}
    bars = [Bar(**{k: v for k, v in row.items() if k in names}) for row in rows]  # type: ignore[arg-type]
    lines = [f"| {' | '.join(bar.cells())} |" for bar in bars]
    return "\n".join(["| figure | value | aim | reached |", "|---|---|---|---|", *lines])
