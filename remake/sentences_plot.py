"""The plot of what sentences are worth: share of edits that succeeded against the number of sentences."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT, LEFT, TOP, RIGHT, FOOT, LETTER = 760, 428, 76, 44, 28, 126, 15
"""in pixels"""
COLOURS = ("navy", "darkorange")
WRITTEN_AT = 100
"""sentences for each word that the language model's point stands for"""


@dataclass(frozen=True)
class Line:
    """Shares of edits that succeeded, 0 to 1, at one strength."""

    name: str
    bank: Mapping[int, float]
    """by the number of sentences of the template bank"""
    swapped: float
    """with the word swapped in one prompt"""
    written: float
    """by ``WRITTEN_AT`` sentences of a language model"""


def plot(lines: Sequence[Line]) -> Image.Image:
    """A line for the bank at every strength, a dashed one for swapped words, a diamond for a language model's."""
    figure, font = Image.new("RGB", (WIDTH, HEIGHT), "white"), ImageFont.load_default(LETTER)
    pen, counts = ImageDraw.Draw(figure), list(lines[0].bank)

    def at(count: float, share: float) -> tuple[float, float]:
        across = math.log10(count / counts[0]) / math.log10(counts[-1] / counts[0])
        return LEFT + (WIDTH - LEFT - RIGHT) * across, TOP + (HEIGHT - TOP - FOOT) * (1 - share)

    pen.text((LEFT, 14), "share of edits that the judge finds to be what they were to be", "black", font)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        pen.line([at(counts[0], share), at(counts[-1], share)], "lightgrey")
        pen.text((LEFT - 12, at(1, share)[1]), f"{share:.0%}", "black", font, "rm")
    for n in counts:
        pen.text((at(n, 0)[0], at(n, 0)[1] + 8), str(n), "black", font, "ma")
    middle = (LEFT + WIDTH - RIGHT) / 2
    pen.text((middle, HEIGHT - FOOT + 32), "sentences for each word", "black", font, "ma")
    for k, (line, colour) in enumerate(zip(lines, COLOURS, strict=False)):
        draw_line(pen, line, colour, [at(n, line.bank[n]) for n in counts], at(WRITTEN_AT, line.written))
        dashes(pen, at(counts[0], line.swapped), at(counts[-1], line.swapped)[0], colour)
        key(pen, line.name, colour, HEIGHT - 58 + 24 * k, font)
    return figure


def draw_line(
    pen: ImageDraw.ImageDraw,
    line: Line,
    colour: str,
    points: Sequence[tuple[float, float]],
    written: tuple[float, float],
) -> None:
    """The bank's line with its points, and the language model's diamond."""
    pen.line(points, colour, 3)
    for x, y in points:
        pen.ellipse((x - 4, y - 4, x + 4, y + 4), colour)
    diamond(pen, written, colour)


def dashes(pen: ImageDraw.ImageDraw, start: tuple[float, float], end: float, colour: str) -> None:
    """A dashed level line."""
    x, y = start
    while x < end:
        pen.line([(x, y), (min(x + 8, end), y)], colour)
        x += 14


def diamond(pen: ImageDraw.ImageDraw, place: tuple[float, float], colour: str) -> None:
    """A point that is none of a line."""
    x, y = place
    pen.polygon([(x, y - 8), (x + 8, y), (x, y + 8), (x - 8, y)], "white", colour, 2)


def key(
    pen: ImageDraw.ImageDraw,
    name: str,
    colour: str,
    y: int,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    """What the marks of one colour mean, in one line."""
    pen.line([(LEFT, y + 8), (LEFT + 28, y + 8)], colour, 3)
    pen.text((LEFT + 36, y), f"template bank, {name}", colour, font)
    dashes(pen, (LEFT + 290, y + 8), LEFT + 318, colour)
    pen.text((LEFT + 326, y), "words swapped", colour, font)
    diamond(pen, (LEFT + 460, y + 8), colour)
    pen.text((LEFT + 476, y), f"{WRITTEN_AT} by a language model", colour, font)
