"""Pictures side by side in a table with words around it."""

from collections.abc import Sequence
from textwrap import wrap

from PIL import Image, ImageDraw, ImageFont

from zeroshift.image.errors import ImageError
from zeroshift.image.pixels import flatten

SIDE = 192
"""of a cell, in pixels"""
GAP = 6
"""between cells, in pixels"""
LETTER = 14
"""height of a letter, in pixels"""
MOST_ROWS = 200
"""a sheet is made in memory"""


def sheet(rows: Sequence[Sequence[Image.Image | str]], labels: Sequence[str], columns: Sequence[str]) -> Image.Image:
    """A table of pictures as RGB, each scaled into a cell, with a word or more beside every row and above every column.

    Args:
        rows: pictures of any sizes; words stand in a grey cell.
        labels: what stands beside each row; lines are broken where they are too long.
        columns: what stands above each column.

    Raises:
        ImageError: there are more than 200 rows.
    """
    check_rows(len(rows))
    font = ImageFont.load_default(LETTER)
    beside, above = ([broken(text, font) for text in texts] for texts in (labels, columns))
    head = max(text.count("\n") + 1 for text in above) * (LETTER + 4) + GAP
    margin = round(max(font.getlength(line) for text in beside for line in text.split("\n"))) + 2 * GAP
    table = Image.new("RGB", (margin + len(columns) * (SIDE + GAP), head + len(rows) * (SIDE + GAP)), "white")
    pen = ImageDraw.Draw(table)
    for n, text in enumerate(above):
        pen.multiline_text((margin + n * (SIDE + GAP), GAP // 2), text, "black", font)
    for m, (row, text) in enumerate(zip(rows, beside, strict=True)):
        top = head + m * (SIDE + GAP)
        pen.multiline_text((GAP, top + GAP), text, "black", font)
        for n, picture in enumerate(row):
            table.paste(cell(picture, font), (margin + n * (SIDE + GAP), top))
    return table


def check_rows(rows: int) -> None:
    """Refuse a sheet that is too long.

    Raises:
        ImageError: it has more than 200 rows.
    """
    if rows > MOST_ROWS:
        raise ImageError(f"A sheet has at most {MOST_ROWS} rows, and these are {rows}: take fewer pictures.")


def cell(picture: Image.Image | str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> Image.Image:
    """A picture in the middle of a white square; words in the middle of a grey one."""
    if isinstance(picture, str):
        grey = Image.new("RGB", (SIDE, SIDE), "lightgrey")
        text, pen = broken(picture, font), ImageDraw.Draw(grey)
        left, top, right, bottom = pen.multiline_textbbox((0, 0), text, font)
        pen.multiline_text(((SIDE - right - left) / 2, (SIDE - bottom - top) / 2), text, "black", font, align="center")
        return grey
    scale = SIDE / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    square = Image.new("RGB", (SIDE, SIDE), "white")
    scaled = flatten(picture).resize((width, height), Image.Resampling.LANCZOS)
    square.paste(scaled, ((SIDE - width) // 2, (SIDE - height) // 2))
    return square


def broken(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> str:
    """A text in lines that are no wider than a cell."""
    longest = max(1, int(SIDE / font.getlength("n")))
    return "\n".join(part for line in text.split("\n") for part in wrap(line, longest) or [""])
