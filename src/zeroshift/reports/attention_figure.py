"""The figure of the mirror report: which word is attended to where, on the way to noise and on the way back."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw
from torch import Tensor

from zeroshift.image.tensors import to_bytes

TILE = 96
"""side of a map in pixels"""
MARGIN = 128
"""width of the labels' column in pixels"""
LINE = 20
"""height of the words' line in pixels"""


@dataclass(frozen=True, eq=False)
class Row:
    """The maps of one latent."""

    label: str
    maps: Tensor
    """(words, h, w)"""
    brightest: Tensor
    """what is white in each word's map, (words,)"""


def draw(words: Sequence[str], rows: Sequence[Row]) -> Image.Image:
    """A table of maps: a column per word, a line per row."""
    figure = Image.new("L", (MARGIN + TILE * len(words), LINE + TILE * len(rows)), 255)
    pen = ImageDraw.Draw(figure)
    for n, word in enumerate(words):
        pen.text((MARGIN + TILE * n + 4, 4), word, 0)
    for m, row in enumerate(rows):
        top = LINE + TILE * m
        pen.text((4, top + 4), row.label, 0)
        for n, values in enumerate(to_bytes(255 * row.maps / row.brightest[:, None, None]).cpu().numpy()):
            tile = Image.fromarray(values).resize((TILE - 2, TILE - 2), Image.Resampling.NEAREST)
            figure.paste(tile, (MARGIN + TILE * n, top))
    return figure
