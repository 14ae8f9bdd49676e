"""The figure of an edit direction: how long it is at each token position."""

from textwrap import shorten

from PIL import Image, ImageDraw, ImageFont

from zeroshift.conditioning.direction import Direction
from zeroshift.directions.quality import norms

BAR, HEIGHT, MARGIN, FOOT, HEAD = 12, 200, 76, 48, 40
"""in pixels"""
LETTER = 14
"""height of a letter, in pixels"""
LEAST = 520
"""width of the figure at least, in pixels, so that the words have room"""


def draw(direction: Direction) -> Image.Image:
    """A bar for every token position; the begin token, which never sees the words, is the first."""
    lengths, font = norms(direction), ImageFont.load_default(LETTER)
    most = float(lengths.max()) or 1.0
    figure = Image.new("L", (max(MARGIN + BAR * len(lengths) + 8, LEAST), HEAD + HEIGHT + FOOT), 255)
    pen, middle = ImageDraw.Draw(figure), MARGIN + (figure.width - MARGIN) // 2
    pen.text((MARGIN, 10), shorten(f"edit direction {direction.name}", 60, placeholder=" …"), 0, font)
    pen.text((middle, figure.height - 4), "token position (0 is the begin token)", 0, font, "ms")
    for share in (0.0, 0.5, 1.0):
        y = HEAD + round(HEIGHT * (1 - share))
        pen.line((MARGIN, y, figure.width - 8, y), 200)
        pen.text((MARGIN - 6, y), f"{share * most:.3g}", 0, font, "rm")
    for k, length in enumerate(lengths.tolist()):
        left, top = MARGIN + BAR * k, HEAD + round(HEIGHT * (1 - length / most))
        pen.rectangle((left + 1, top, left + BAR - 2, HEAD + HEIGHT), 60)
        if k % 5 == 0:
            pen.text((left + BAR // 2, HEAD + HEIGHT + 4), str(k), 0, font, "ma")
    figure.paste(_sideways("length", font), (2, HEAD + HEIGHT // 2 - 40))
    return figure


def _sideways(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> Image.Image:
    """A word that is read from below, the middle of 80 pixels."""
    strip = Image.new("L", (80, LETTER + 6), 255)
    ImageDraw.Draw(strip).text((40, 10), text, 0, font, "mm")
    return strip.transpose(Image.Transpose.ROTATE_90)
