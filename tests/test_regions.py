"""Edits of a region: on the command line, in Python, in recipes."""

import numpy as np
from PIL import Image

from tests.saved import picture
from tests.shell import call, edit, photograph, refused
from zeroshift.asked.edits import EditSpec
from zeroshift.editor import Editor
from zeroshift.image import read_recipe
from zeroshift.image.regions import Region

SPEC = EditSpec(target="dog", source="cat", method="sdedit", options={"steps": 2})


def changed(before: Image.Image, after: Image.Image) -> tuple[int, int, int, int]:
    """The box around all pixels that are not the same."""
    different = (np.asarray(before) != np.asarray(after)).any(2)
    rows, columns = np.flatnonzero(different.any(1)), np.flatnonzero(different.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def test_only_the_region_changes(tiny):
    photo = picture(0)
    [result] = Editor(tiny, {}).edit([photo], SPEC.model_copy(update={"region": "4,8,24,20"}))
    assert result.image.size == photo.image.size
    left, top, right, bottom = changed(photo.image, result.image)
    assert 4 <= left and 8 <= top and right <= 28 and bottom <= 28
    assert result.recipe["region"] == [4, 8, 28, 28]


def test_the_shells_agree_and_redo_gives_the_same_bytes(capsys, checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photograph(tmp_path / "cat.png", 80, 60)
    flags = ("--method", "sdedit", "--region", "10%,10%,50%,24", "-o", "dog.png")
    words = ("--source", "cat", "--target", "dog", "--steps", "2", "--model", checkpoint)
    assert call(capsys, "edit", "cat.png", *words, *flags).code == 0
    assert read_recipe(tmp_path / "dog.png")["region"] == [8, 6, 48, 30]
    assert "the same bytes" in call(capsys, "redo", "dog.png", "--model", checkpoint).out


def test_what_is_no_region_is_refused_before_the_model_loads(capsys, tmp_path):
    photograph(tmp_path / "cat.png")
    refused(edit(capsys, tmp_path / "none", tmp_path / "cat.png", "--region", "1,2,3"), 2, "--region", "X,Y,W,H")


def test_a_region_may_be_a_value(tiny):
    recipe = Editor(tiny, {}).edit(picture(0), "cat", "dog", region=Region(0, 0, 50, 100, ("%",) * 4)).recipe
    width, height = picture(0).image.size
    assert recipe["region"] == [0, 0, width // 2, height]
