"""``zeroshift redo``: the same bytes from the recipe in a file, and what it refuses."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.shell import FEW, USUAL, altered, call, edit, files, photograph, refused
from tests.tiny import tiny_clip
from zeroshift.backbones.checkpoint import SHIPPED
from zeroshift.cli.main import run
from zeroshift.image import read_recipe, save_image
from zeroshift.loading import load
from zeroshift.methods import SDEdit


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photograph(tmp_path / "cat.png")
    photograph(tmp_path / "tom.png", seed=1)


@pytest.fixture(scope="module")
def edits(tmp_path_factory, checkpoint):
    """A folder with a direction and with two edits of ``cat.png``: a.png, and fox.png along the direction."""
    folder = tmp_path_factory.mktemp("edits")
    photograph(folder / "cat.png")
    words = ["--source", "cat", "--model", str(checkpoint), "-q", "-o"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make = ["direction", "make", *words, "fox.safetensors", "--target", "fox", "--count", "10"]
        edit = ["edit", "cat.png", *words, "a.png", "--target", "dog", *FEW, "--threads", "1"]
        along = ["edit", "cat.png", *words, "fox.png", "--target", "dog", "--direction", "fox.safetensors", *FEW[:4]]
        for tokens in (make, edit, along):
            assert run(tokens, debug=True) == 0
    return folder


@pytest.fixture
def made(edits, tmp_path):
    """An edit of ``cat.png``, beside it."""
    return Path(shutil.copy(edits / "a.png", tmp_path / "a.png"))


def redo(capsys, checkpoint, *tokens):
    return call(capsys, "redo", *tokens, "--model", checkpoint)


SWAPPED = ("--inversion", "direct", "--conditioning", "direction", "--control", "attention-guidance")
CASES = {
    "png": (["cat.png", "-o", "made/a.png"], ["made/a.png"]),
    "jpg": (["cat.png", "-o", "made/a.jpg"], ["made/a.jpg"]),
    "webp": (["cat.png", "-o", "made/a.webp"], ["made/a.webp"]),
    "batch": (
        ["cat.png", "tom.png", "-o", "made"],
        [f"made/cat-dog-{USUAL}.png", f"made/tom-dog-{USUAL}.png"],
    ),
    "native": (["cat.png", "-o", "made/a.png", "--native"], ["made/a.png"]),
    "strengths": (
        ["cat.png", "-o", "made", "--strengths", "0.5,1"],
        [f"made/cat-dog-0.5-{USUAL}.png", f"made/cat-dog-1-{USUAL}.png"],
    ),
    "prompts": (["cat.png", "-o", "made/a.png", "--target", "a drawing of a fox"], ["made/a.png"]),
    "seed and fit": (["cat.png", "-o", "made/a.png", "--seed", "7", "--fit", "pad"], ["made/a.png"]),
    "noised": (
        ["cat.png", "tom.png", "-o", "made", "--inversion", "noised"],
        ["made/tom-dog-pix2pix-zero-noised-0.png"],
    ),
    "a method of other parts": (
        ["cat.png", "-o", "made/a.png", "--method", "ddim", *SWAPPED, "--extras", "sampling-noise", "--eta", "1"],
        ["made/a.png"],
    ),
    "generated source": (["--seed", "5", "-o", "made/a.png"], ["made/a.png"]),
}


@pytest.mark.parametrize("case", CASES)
def test_same_bytes(capsys, checkpoint, tmp_path, case):
    tokens, made = CASES[case]
    assert edit(capsys, checkpoint, *tokens).code == 0
    for name in made:
        edited = tmp_path / name
        done = redo(capsys, checkpoint, edited)
        again = edited.with_stem(f"{edited.stem}-redo")
        assert done.code == 0, done.err
        assert "the same bytes" in done.out
        assert again.read_bytes() == edited.read_bytes()


def test_same_bytes_of_generated_pictures(capsys, checkpoint, tmp_path):
    assert call(capsys, "generate", "a cat", "a dog", "--steps", "2", "--model", checkpoint, "--threads", "1").code == 0
    assert redo(capsys, checkpoint, "out/a-dog-0.png", "-o", "again.png").code == 0
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "out/a-dog-0.png").read_bytes()


def test_same_bytes_with_a_saved_direction(capsys, checkpoint, tmp_path):
    words = ("--source", "cat", "--target", "fox", "--model", checkpoint, "-o", "fox.safetensors")
    assert call(capsys, "direction", "make", *words, "--count", "10").code == 0
    edit(capsys, checkpoint, "cat.png", "--direction", "fox.safetensors", "-o", "made/a.png")
    assert redo(capsys, checkpoint, "made/a.png", "-o", "elsewhere/b.png").code == 0
    assert (tmp_path / "elsewhere/b.png").read_bytes() == (tmp_path / "made/a.png").read_bytes()
    assert call(capsys, "direction", "make", *words, "--count", "11", "--overwrite").code == 0
    assert "is not the edit direction" in redo(capsys, checkpoint, "made/a.png").err


def test_what_python_made_of_a_file_is_made_again_from_the_same_name(capsys, checkpoint, tmp_path):
    """Beside the result or here; its folder is nobody's business."""
    editor, method = load(checkpoint, device="cpu", precision="fp32"), SDEdit(steps=2)
    of_file = editor.edit(tmp_path / "cat.png", "cat", "dog", method=method)
    assert of_file.recipe["source_path"] == "cat.png"
    save_image(of_file.image, "made/a.png", recipe=of_file.recipe)
    assert "the same bytes" in redo(capsys, checkpoint, "made/a.png").out
    in_memory = editor.edit(Image.open("cat.png"), "cat", "dog", method=method)
    assert "source_path" not in in_memory.recipe
    save_image(in_memory.image, "made/b.png", recipe=in_memory.recipe)
    done = redo(capsys, checkpoint, "made/b.png")
    refused(done, 1, "The photograph, from which made/b.png was made, is not there; give it with --image.")


REFINED = ("--extras", "refinement", "--refine-steps", "1", "-o", "made/a.png")


def test_same_bytes_with_weights_of_vgg(capsys, checkpoint, tmp_path, vgg):
    assert edit(capsys, checkpoint, "cat.png", *REFINED, "--vgg", vgg).code == 0
    refused(redo(capsys, checkpoint, "made/a.png"), 1, "with weights of VGG16", "say where those are with --vgg")
    assert redo(capsys, checkpoint, "made/a.png", "--vgg", vgg, "-o", "b.png").code == 0
    assert (tmp_path / "b.png").read_bytes() == (tmp_path / "made/a.png").read_bytes()
    tensors = {name: tensor * 2 for name, tensor in load_file(vgg).items()}
    save_file(tensors, tmp_path / "other.safetensors")
    refused(redo(capsys, checkpoint, "made/a.png", "--vgg", "other.safetensors"), 1, "made with other weights of VGG16")


@pytest.mark.parametrize("path", [None, "weights/vgg16.safetensors"])
def test_recipes_that_had_the_weights_file_among_the_options(capsys, checkpoint, tmp_path, vgg, path):
    """As version 0.1 wrote them; the file that such a recipe names is never opened."""
    weights = ("--vgg", vgg) if path else ()
    assert edit(capsys, checkpoint, "cat.png", *REFINED, *weights).code == 0
    recipe = read_recipe("made/a.png")
    recipe.pop("vgg_sha256", None)
    recipe["options"]["extras"][0]["vgg"] = path
    save_image(Image.open("made/a.png"), "old.png", recipe={**recipe, "source_path": "cat.png"})
    if path:
        refused(redo(capsys, checkpoint, "old.png"), 1, "say where those are with --vgg")
    assert redo(capsys, checkpoint, "old.png", *weights, "-o", "b.png").code == 0
    assert Image.open("b.png").tobytes() == Image.open("made/a.png").tobytes()
    if not path:
        refused(redo(capsys, checkpoint, "old.png", "--vgg", vgg), 2, "without weights of VGG16", "leave that out")


def test_same_bytes_with_a_clip_given_apart(capsys, checkpoint, tmp_path):
    clip = tiny_clip(tmp_path / "clip/seer")
    guided = ("--extras", "clip-guidance", "--clip-from", "0", "--clip-until", "1")
    assert edit(capsys, checkpoint, "cat.png", "-o", "made/a.png", *guided, "--clip", clip).code == 0
    assert read_recipe(tmp_path / "made/a.png")["model"]["clip"] == "seer"
    assert "was made with the clip seer" in redo(capsys, checkpoint, "made/a.png").err
    assert redo(capsys, checkpoint, "made/a.png", "-o", "again.png", "--clip", clip).code == 0
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "made/a.png").read_bytes()


def test_the_source_may_have_moved(capsys, checkpoint, tmp_path):
    (tmp_path / "pictures").mkdir()
    there = shutil.move("cat.png", "pictures/cat.png")
    edit(capsys, checkpoint, there, "-o", "made/a.png")
    for place, named in (("made/cat.png", ()), ("cat.png", ()), ("other.png", ("--image", "other.png"))):
        there = shutil.move(there, place)
        assert redo(capsys, checkpoint, "made/a.png", *named).code == 0


def test_the_recipe_keeps_the_path_when_written_elsewhere(capsys, checkpoint, made):
    redo(capsys, checkpoint, made, "-o", "some/where/else.png")
    assert read_recipe("some/where/else.png")["source_path"] == "cat.png"


def test_another_source_is_refused(capsys, checkpoint, tmp_path, made):
    shutil.copy("tom.png", "cat.png")
    for tokens in ((), ("--image", "tom.png")):
        done = redo(capsys, checkpoint, "a.png", *tokens)
        assert done.code == 1
        assert "is not the picture that a.png was made from" in done.err
    (tmp_path / "cat.png").unlink()
    assert "give it with --image" in redo(capsys, checkpoint, "a.png").err
    assert files(tmp_path) == ["a.png", "tom.png"]


def test_another_model_is_refused(capsys, checkpoint, tmp_path, made):
    done = redo(capsys, altered(checkpoint, tmp_path / "other", 0.0), "a.png")
    assert done.code == 1
    assert "was made with another model" in done.err
    assert "say where that is with --model" in call(capsys, "redo", "a.png").err
    assert not list(tmp_path.glob("*-redo.png"))


def test_what_plays_no_part_is_refused(capsys, checkpoint, tmp_path, made):
    edit(capsys, checkpoint, "-o", "generated.png")
    refused(redo(capsys, checkpoint, "generated.png", "--image", "cat.png"), 2, "--image means nothing to it")
    refused(redo(capsys, checkpoint, "a.png", "--direction", "x.safetensors"), 2, "--direction means nothing to it")
    assert not list(tmp_path.glob("*-redo.png"))


def test_pictures_without_an_edit_are_refused(capsys, checkpoint):
    edit(capsys, checkpoint, "cat.png", "-o", "a.png", "--before-after", "both.png")
    assert "is no edited or generated picture" in redo(capsys, checkpoint, "both.png").err
    assert "carries no recipe" in redo(capsys, checkpoint, "cat.png").err


@pytest.mark.parametrize(
    ("damage", "where"),
    [
        ({"model": None}, "model"),
        ({"model": {"name": "tiny", "revision": None}}, "model.sha256"),
        ({"threads": 0}, "threads"),
        ({"seed": "x"}, "seed"),
        ({"rows": 99}, "rows is 99, expected a number of at most 64)"),
        ({"fit": "squash"}, "fit"),
        ({"row": 3}, "row 3 of 1"),
    ],
)
def test_damaged_recipes_are_refused(capsys, checkpoint, made, damage, where):
    with Image.open(made) as picture:
        save_image(picture, "damaged.png", recipe={**read_recipe(made), **damage})
    done = redo(capsys, checkpoint, "damaged.png")
    assert (done.code, len(done.err.splitlines())) == (1, 1)
    assert f"The recipe in damaged.png is damaged ({where}" in done.err


@pytest.mark.parametrize("output", ["a.png", "link.png", "cat.png", "sub/../cat.png", "fox.safetensors.png"])
def test_what_is_read_is_never_written(capsys, checkpoint, tmp_path, edits, output):
    (tmp_path / "sub").mkdir()
    shutil.copy(edits / "fox.safetensors", tmp_path)
    shutil.copy(edits / "fox.png", tmp_path / "a.png")
    (tmp_path / "link.png").hardlink_to(tmp_path / "a.png")
    (tmp_path / "fox.safetensors.png").symlink_to("fox.safetensors")
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    done = redo(capsys, checkpoint, "a.png", "-o", output)
    assert (done.code, done.out) == (2, "")
    assert " itself; give the result another name." in done.err
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before


@pytest.mark.slow
@pytest.mark.skipif(not (SHIPPED / "unet").is_dir(), reason="the shipped model is not there")
def test_same_bytes_with_the_shipped_model(capsys, tmp_path):
    few = (*FEW, "--threads", "1")
    assert call(capsys, "edit", "cat.png", "--source", "cat", "--target", "dog", *few).code == 0
    assert read_recipe(f"out/cat-dog-{USUAL}.png")["model"]["name"] == "shipped"
    assert "the same bytes" in call(capsys, "redo", f"out/cat-dog-{USUAL}.png").out
    assert (tmp_path / f"out/cat-dog-{USUAL}-redo.png").read_bytes() == (
        tmp_path / f"out/cat-dog-{USUAL}.png"
    ).read_bytes()


def test_an_edit_with_a_mask_is_made_again_and_needs_it(capsys, checkpoint):
    mask = np.zeros((30, 40), np.uint8)
    mask[5:25, 10:30] = 255
    Image.fromarray(mask).save("mask.png")
    done = edit(capsys, checkpoint, "cat.png", "-o", "a.png", "--mask", "mask.png", "--soft", "2", "--json")
    told = json.loads(done.out)
    assert told["drift"]["outside"]["changed"] == 0 and told["drift"]["inside"]["share"] == 0.3333
    again = json.loads(call(capsys, "redo", "a.png", "--model", checkpoint, "--json").out)
    assert again["same_bytes"]
    Path("mask.png").rename("moved.png")
    refused(redo(capsys, checkpoint, "a.png"), 1, "was made with the mask mask.png, which is not there")
    again = json.loads(call(capsys, "redo", "a.png", "--mask", "moved.png", "--model", checkpoint, "--json").out)
    assert again["same_bytes"]
