"""A sheet of what the model's presets make of photographs: presets are chosen by hand, by looking at it.

Presets lie in the model's ``presets.json``, each with a sentence that says by what it was chosen (``chosen_by``).
"""

from collections.abc import Sequence
from functools import partial

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from remake.bench import Figures, bench_of
from remake.place import Job, Jobs, Place
from zeroshift.cli.quality import follow
from zeroshift.files import write_atomically
from zeroshift.image.tensors import to_png
from zeroshift.methods import METHODS, Method
from zeroshift.miniature.quality.agreement import grid

PICTURES = 8
LABEL = 150
"""width of the labels' column in pixels"""


def jobs(pictures: int = PICTURES, methods: Sequence[type[Method]] = METHODS) -> Jobs:
    """The one sheet."""
    return [Job("presets", partial(make, pictures, [method.name for method in methods]), with_data=True)]


def make(pictures: int, names: Sequence[str], place: Place) -> str:
    """Edit photographs of ``val`` by each method and write ``presets.png``, a row per method, with their figures."""
    bench = bench_of(place, pictures)
    edits = follow(bench.edited([" ".join(("--method", name, *place.words)) for name in names]), silent=False)
    figures = [bench.figures(one) for one in edits]
    path = place.work / "presets.png"
    write_atomically(path, to_png(sheet(bench.pixels, dict(zip(names, edits, strict=True)), figures)))
    rows = "".join(f"\n  {name:<18}{one}" for name, one in zip(names, figures, strict=True))
    return f"{path}: edits of {pictures} that flip by the classifier, and PSNR to the source{rows}"


def sheet(photographs: Tensor, edits: dict[str, Tensor], figures: Sequence[Figures]) -> Image.Image:
    """The photographs, uint8 (N, 3, S, S), and below them a row of edits per method, labelled with its figures."""
    tiles = grid(torch.cat([photographs, *edits.values()]), columns=len(photographs))
    found = Image.new("RGB", (LABEL + tiles.width, tiles.height), "white")
    found.paste(tiles, (LABEL, 0))
    pen, height = ImageDraw.Draw(found), photographs.shape[-2]
    for k, text in enumerate(["photographs", *(f"{n}\n{one}" for n, one in zip(edits, figures, strict=True))]):
        pen.text((4, 4 + k * height), text, "black")
    return found
