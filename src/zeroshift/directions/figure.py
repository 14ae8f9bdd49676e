"""The figure of an edit direction: how long it is at each token position."""

from PIL import Image, ImageDraw

from zeroshift.conditioning.direction import Direction
from zeroshift.directions.quality import norms

BAR, HEIGHT, MARGIN, FOOT, HEAD = 12, 200, 56, 24, 24
"""in pixels"""


def draw(direction: Direction) -> Image.Image:
    """A bar for every token position; the begin token, which never sees the words, is the first."""
    lengths = norms(direction)
    most = float(lengths.max()) or 1.0
    figure = Image.new("L", (MARGIN + BAR * len(lengths) + 8, HEAD + HEIGHT + FOOT), 255)
    pen = ImageDraw.Draw(figure)
    pen.text((4, 4), f"edit direction {direction.name or ''}: length at each token position", 0)
    for share in (0.0, 0.5, 1.0):
        y = HEAD + round(HEIGHT * (1 - share))
        pen.line((MARGIN, y, figure.width - 8, y), 200)
        pen.text((4, y - 6), f"{share * most:.3g}", 0)
    for k, length in enumerate(lengths.tolist()):
        left, top = MARGIN + BAR * k, HEAD + round(HEIGHT * (1 - length / most))
        pen.rectangle((left + 1, top, left + BAR - 2, HEAD + HEIGHT), 60)
        if k % 5 == 0:
            pen.text((left + 1, HEAD + HEIGHT + 4), str(k), 0)
    return figure
