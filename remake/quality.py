"""The figures of ``zeroshift quality``: the model card's table and samples."""

import json

from remake.asked import command
from remake.pages import put
from remake.place import Job, Jobs, Place
from zeroshift.files import write_atomically
from zeroshift.miniature.quality.table import table


def jobs() -> Jobs:
    return [Job("quality", make, with_data=True)]


def make(place: Place) -> str:
    """Measure the model, and write what was found into the card."""
    command(["quality", str(place.data), "-o", str(place.work / "quality"), *place.of_model])
    return fill(place)


def fill(place: Place) -> str:
    """Take what was measured last."""
    folder = place.work / "quality"
    measured = json.loads((folder / "quality.json").read_text(encoding="utf-8"))
    write_atomically(place.model / "samples.png", (folder / "samples.png").read_bytes())
    return f"samples.png, {put(place.root, {'quality': table(measured['figures'])})}"
