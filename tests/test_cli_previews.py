"""``zeroshift edit --previews``: pictures on the way, and nothing decoded where none are asked for."""

import json

import pytest
from PIL import Image

from tests.shell import METHOD, USUAL, call, edit, files, photograph, refused
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.image import read_recipe


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, seed in (("cat", 0), ("tom", 1)):
        photograph(tmp_path / f"{name}.png", seed=seed)


@pytest.fixture
def decoded(monkeypatch):
    """Number of latents of every call of the decoder; the first is loading's, which tries the networks."""
    counts: list[int] = []
    decode = StableDiffusion.decode

    def counting(self, x):
        counts.append(len(x))
        return decode(self, x)

    monkeypatch.setattr(StableDiffusion, "decode", counting)
    return counts


def test_nothing_is_decoded_unless_asked_for(capsys, checkpoint, decoded):
    edit(capsys, checkpoint, "cat.png", "tom.png")
    assert decoded == [1, 2]


def test_every_picture_and_target_at_every_step(capsys, checkpoint, tmp_path, decoded):
    targets = ("--target", "dog", "--target", "fox")
    assert edit(capsys, checkpoint, "cat.png", "tom.png", *targets, "--previews", "way").code == 0
    names = [
        f"{name}-{target}-{USUAL}-{step}.png" for name in ("cat", "tom") for target in ("dog", "fox") for step in (1, 2)
    ]
    assert files(tmp_path / "way") == sorted(names)
    assert decoded == [1, 4, 2, 2, 4]
    recipe = read_recipe(f"way/tom-fox-{USUAL}-2.png")
    assert (recipe["command"], recipe["step"], recipe["target"]) == ("preview", 2, "fox")
    assert (recipe["source_path"], recipe["rows"], recipe["row"]) == ("../tom.png", 2, 1)
    assert recipe["source_sha256"] == read_recipe(f"out/tom-fox-{USUAL}.png")["source_sha256"]
    assert "is no edited or generated picture but a preview" in call(capsys, "redo", f"way/tom-fox-{USUAL}-2.png").err


def test_the_last_step_estimates_the_finished_picture(capsys, checkpoint):
    """The last level but one of this schedule keeps little noise, so the estimate is the result up to that."""
    edit(capsys, checkpoint, "cat.png", "tom.png", "--native", "--previews", "way")
    for name in ("cat", "tom"):
        with (
            Image.open(f"out/{name}-dog-{USUAL}.png") as finished,
            Image.open(f"way/{name}-dog-{USUAL}-2.png") as last,
        ):
            apart = [abs(a - b) for a, b in zip(finished.tobytes(), last.tobytes(), strict=True)]
            assert sum(apart) / len(apart) < 2
        with (
            Image.open(f"way/{name}-dog-{USUAL}-1.png") as first,
            Image.open(f"way/{name}-dog-{USUAL}-2.png") as last,
        ):
            assert first.tobytes() != last.tobytes()


def test_every_third_step(capsys, checkpoint, tmp_path, decoded):
    words = ("cat.png", "--source", "cat", "--target", "dog", "--model", checkpoint, *METHOD, "--sentences", "10")
    asked = (*words, "--steps", "10", "--lambda-xa", "0", "--inversion", "noised", "--noise-strength", "0.7")
    done = call(capsys, "edit", *asked, "--previews", "deep/way", "--preview-every", "3", "--json")
    assert json.loads(done.out)["recipe"]["command"] == "edit"
    assert files(tmp_path / "deep/way") == [f"cat-dog-pix2pix-zero-noised-0-{n}.png" for n in (3, 6)]  # of 7
    assert decoded == [1, 1, 1, 1]


def test_of_a_generated_source(capsys, checkpoint, tmp_path):
    edit(capsys, checkpoint, "--previews", "way")
    assert files(tmp_path / "way") == [f"cat-dog-{USUAL}-1.png", f"cat-dog-{USUAL}-2.png"]
    assert "source_path" not in read_recipe(f"way/cat-dog-{USUAL}-1.png")


def test_no_preview_lies_on_another_file(capsys, checkpoint, tmp_path):
    name = f"cat-dog-{USUAL}-2.png"
    before = photograph(tmp_path / name).read_bytes()
    refused(edit(capsys, checkpoint, "cat.png", name, "--previews", "."), 2, name, "another folder")
    assert (tmp_path / name).read_bytes() == before
    refused(edit(capsys, checkpoint, "cat.png", "--previews", "cat.png"), 1, "cannot be written into")


def test_previews_that_are_there_stay(capsys, checkpoint, tmp_path):
    for flags in ((), (), ("--overwrite",)):
        edit(capsys, checkpoint, "cat.png", "-o", "dog.png", "--previews", "way", *flags)
        (tmp_path / "dog.png").unlink()
    assert files(tmp_path / "way") == ["dog-1.png", "dog-2-1.png", "dog-2-2.png", "dog-2.png"]
