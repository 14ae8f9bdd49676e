"""The figures of ``zeroshift quality``: the model card's table and samples, and the README's table."""

import json
from collections.abc import Mapping
from dataclasses import fields

from remake.asked import command
from remake.pages import put
from remake.place import Job, Jobs, Place
from zeroshift.files import write_atomically
from zeroshift.miniature.quality.bars import Bar, table


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
    return f"samples.png, card, {put(place.root, {'quality': table(map(bar, measured['bars']))})}"


def bar(row: Mapping[str, object]) -> Bar:
    """Return one bar of ``quality.json``, which also says whether it is reached."""
    names = {field.name for field in fields(Bar)}
    return Bar(**{k: v for k, v in row.items() if k in names})  # type: ignore[arg-type]
