"""The sheet of pictures: where what is."""

import numpy as np
import pytest
from PIL import Image

from zeroshift.image import ImageError
from zeroshift.image.sheet import GAP, SIDE, sheet


def test_every_picture_lies_in_its_cell_and_words_around():
    red, blue = Image.new("RGB", (40, 40), "red"), Image.new("RGB", (64, 32), "blue")
    made = sheet([[red, ""], [blue, red]], ["first", "second"], ["before", "after"])
    pixels = np.asarray(made)
    left = made.width - 2 * (SIDE + GAP)
    top = made.height - 2 * (SIDE + GAP)
    cells = [
        [pixels[top + m * (SIDE + GAP) :, left + n * (SIDE + GAP) :][:SIDE, :SIDE] for n in (0, 1)] for m in (0, 1)
    ]
    assert (cells[0][0] == (255, 0, 0)).all() and (cells[1][1] == (255, 0, 0)).all()
    assert (cells[0][1] == 211).all()
    assert (cells[1][0][SIDE // 2] == (0, 0, 255)).all() and (cells[1][0][0] == 255).all()
    assert pixels[:top].min() == 0 and pixels[top : top + SIDE, :left].min() == 0  # letters


def test_a_long_label_is_broken_and_its_end_is_there():
    short, long = (
        sheet([["left out"]], ["x"], [text]) for text in ("dog", "a dog in a red coat on a green meadow at night")
    )
    assert long.width == short.width and long.height > short.height


def test_a_very_wide_picture_is_a_line():
    made = np.asarray(sheet([[Image.new("RGB", (20000, 16), "red")]], [""], ["x"]))
    assert (made == (255, 0, 0)).all(axis=2).sum() == SIDE


def test_a_sheet_that_is_too_long_is_refused():
    with pytest.raises(ImageError, match="at most 200 rows, and these are 201"):
        sheet([[""]] * 201, ["x"] * 201, ["y"])
