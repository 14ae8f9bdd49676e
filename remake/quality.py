"""The figures of ``zeroshift quality``: the model card's table and samples."""

import io
import json

from PIL import Image

from remake.asked import command
from remake.pages import put
from remake.place import Job, Jobs, Place
from zeroshift.files import write_atomically
from zeroshift.miniature.quality.table import table

SAMPLES = "samples.jpg"


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
    small = io.BytesIO()
    with Image.open(folder / "samples.png") as picture:
        picture.save(small, "JPEG", quality=90)  # a third of what PNG takes of the package
    write_atomically(place.model / SAMPLES, small.getvalue())
    return f"{SAMPLES}, {put(place.root, {'quality': table(measured['figures'])})}"
