"""The student that comes with the package, on the example's cat."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zeroshift
from tests.shell import call
from zeroshift.backbones.checkpoint import SHIPPED as MODEL
from zeroshift.distillation.editing import StudentSpec
from zeroshift.distillation.opening import open_editor
from zeroshift.distillation.students import SHIPPED
from zeroshift.loading import own_captioner

CAT = Path(__file__).parent.parent / "examples/cat.png"


@pytest.fixture(scope="module")
def editor():
    return open_editor("shipped")


def pixels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB")).astype(float)


def test_a_cat_becomes_a_dog_and_its_surroundings_stay(editor):
    result = editor.edit(CAT, StudentSpec(target="dog"))
    same = (pixels(result.image) == pixels(Image.open(CAT))).all(2)
    assert 0.05 < same.mean() < 0.95
    captioner = own_captioner(MODEL)
    assert captioner is not None
    (said,) = captioner.captions([result.native])
    assert "dog" in said
    assert result.recipe["model"]["name"] == "shipped"


def test_a_dog_becomes_a_cat(editor):
    """One that the shipped model draws, since the examples have none."""
    dog = zeroshift.load(device="cpu").generate("a photo of a dog", seed=0)
    result = editor.edit(dog, StudentSpec(target="cat"))
    captioner = own_captioner(MODEL)
    assert captioner is not None
    before, after = captioner.captions([dog, result.native])
    assert "dog" in before and "cat" in after
    assert (result.recipe["source"], result.recipe["target"]) == ("dog", "cat")


def test_intensities_lie_between_the_photograph_and_the_edit(editor):
    edits = [editor.edit(CAT, StudentSpec(target="dog", intensity=share)) for share in (0.0, 0.25, 0.5, 1.0)]
    away = [np.abs(pixels(one.image) - pixels(Image.open(CAT))).mean() for one in edits]
    assert away[0] == 0 and away == sorted(away) and away[1] > 0


def test_its_files_are_small():
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 8e6


def test_redo_finds_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(CAT, "cat.png")
    edit = ["edit", "cat.png", "--student", "shipped", "--target", "dog", "-o", "dog.png", "--threads", "1"]
    assert call(capsys, *edit).code == 0
    assert call(capsys, "redo", "dog.png", "-o", "again.png").code == 0
    assert np.array_equal(pixels(Image.open("dog.png")), pixels(Image.open("again.png")))
