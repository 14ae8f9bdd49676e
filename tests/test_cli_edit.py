"""``zeroshift edit``, ``generate``, ``invert`` and ``direction`` on a tiny model: files, recipes, what is printed."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.shell import METHOD, USUAL, call, edit, files, photograph
from zeroshift.cli import progress
from zeroshift.conditioning.direction import load_direction
from zeroshift.image import read_recipe
from zeroshift.sentences import template_sentences


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photograph(tmp_path / "cat.png")


def test_edit_writes_where_it_says(capsys, checkpoint, tmp_path):
    done = edit(capsys, checkpoint, "cat.png")
    assert done.code == 0
    assert done.out.startswith(f"out/cat-dog-{USUAL}.png  (")
    with Image.open(tmp_path / f"out/cat-dog-{USUAL}.png") as picture:
        assert picture.size == (40, 30)


def test_recipe_has_neither_clock_nor_absolute_path(capsys, checkpoint, tmp_path):
    edit(capsys, checkpoint, tmp_path / "cat.png", "-o", tmp_path / "deep/er/dog.png")
    recipe = read_recipe(tmp_path / "deep/er/dog.png")
    assert recipe["source_path"] == "../../cat.png"
    assert recipe["native"] is False
    assert recipe["threads"] == 1
    assert not {"seconds", "time", "date"} & recipe.keys()
    assert str(tmp_path) not in json.dumps(recipe)


def test_flags_reach_their_parts(capsys, checkpoint):
    flags = ("--inversion", "ddim", "--grid", "official", "--lambda-xa", "0", "--strength", "2", "--steps", "3")
    call(capsys, "edit", "cat.png", "--source", "cat", "--target", "dog", "--model", checkpoint, *METHOD, *flags)
    options = read_recipe("out/cat-dog-2-pix2pix-zero-ddim-0.png")["options"]
    assert (options["inversion"]["kind"], options["inversion"]["grid"]) == ("ddim", "official")
    assert options["control"]["lambda_xa"] == 0
    assert options["conditioning"]["strength"] == 2


def test_several_pictures_of_one_framed_size_are_one_batch(capsys, checkpoint, tmp_path):
    photograph(tmp_path / "tom.png", 60, 45, seed=1)
    photograph(tmp_path / "wide.png", 128, 32, seed=2)
    pictures = ("cat.png", "wide.png", "tom.png")
    done = edit(
        capsys, checkpoint, *pictures, "--fit", "aspect", "--target", "dog", "--target", "a red fox", "-o", "many"
    )
    names = [f"{stem}-{target}-{USUAL}.png" for stem in ("cat", "wide", "tom") for target in ("dog", "a-red-fox")]
    assert files(tmp_path / "many") == sorted(names)
    recipes = {name: read_recipe(tmp_path / "many" / name) for name in names}
    dogs = [recipes[f"{stem}-dog-{USUAL}.png"] for stem in ("cat", "wide", "tom")]
    assert [(recipe["rows"], recipe["row"]) for recipe in dogs] == [(2, 0), (1, 0), (2, 1)]
    fox = recipes[f"tom-a-red-fox-{USUAL}.png"]
    assert (fox["source_path"], fox["target_prompt"]) == ("../tom.png", "a red fox")
    assert len(done.out.splitlines()) == 6


def test_a_group_has_no_more_pictures_than_a_batch(capsys, checkpoint, tmp_path):
    for k in range(5):
        photograph(tmp_path / f"{k}.png", seed=k)
    names = [f"{k}.png" for k in range(5)]
    edit(capsys, checkpoint, *names, "--batch", "2", "--target", "dog", "--target", "fox")
    recipes = [read_recipe(f"out/{k}-{target}-{USUAL}.png") for k in range(5) for target in ("dog", "fox")]
    assert [(r["rows"], r["row"]) for r in recipes[::2]] == [(2, 0), (2, 1), (2, 0), (2, 1), (1, 0)]
    assert [r["source_path"] for r in recipes[1::2]] == [f"../{name}" for name in names]
    assert "the same bytes" in call(capsys, "redo", f"out/3-fox-{USUAL}.png", "--model", checkpoint).out


def test_strengths_share_a_run(capsys, checkpoint):
    edit(capsys, checkpoint, "cat.png", "--strengths", "0.5,1")
    strengths = [
        read_recipe(f"out/cat-dog-{s}-{USUAL}.png")["options"]["conditioning"]["strength"] for s in ("0.5", "1")
    ]
    assert strengths == [0.5, 1.0]


def test_json_is_all_that_is_printed(capsys, checkpoint):
    done = edit(capsys, checkpoint, "cat.png", "--json", "--before-after", "both.jpg")
    assert done.err == ""
    facts = json.loads(done.out)
    assert (facts["path"], facts["source"], facts["before_after"]) == (
        f"out/cat-dog-{USUAL}.png",
        "cat.png",
        "both.jpg",
    )
    assert facts["seconds"] > 0
    assert facts["recipe"] == read_recipe(f"out/cat-dog-{USUAL}.png")
    drift = facts["recipe"]["drift"]
    assert drift["inside"]["largest"] == facts["drift"]["inside"]["largest"] > 0
    assert drift == facts["drift"]


def test_what_is_told_of_a_jpeg_is_what_stands_in_it(capsys, checkpoint):
    mask = Image.new("L", (40, 30))
    mask.paste(255, (0, 0, mask.width // 2, mask.height))
    mask.save("mask.png")
    done = edit(capsys, checkpoint, "cat.png", "--json", "--fit", "stretch", "--mask", "mask.png", "-o", "edit.jpg")
    outside, written = json.loads(done.out)["drift"]["outside"], read_recipe("edit.jpg")["drift"]["outside"]
    before, after = (np.asarray(Image.open(name).convert("RGB"), dtype=int) for name in ("cat.png", "edit.jpg"))
    apart = np.abs(after - before)[:, mask.width // 2 :]
    assert outside["largest"] == written["largest"] == apart.max() > 0
    assert outside["changed"] == pytest.approx(apart.any(2).mean())


@pytest.mark.parametrize(
    ("tokens", "times"),
    [
        (["--strength", "0,1", "--format", "jpg"], 1),
        (["--mask", "mask.png", "-o", "a.jpeg"], 1),
        (["--mask", "mask.png"], 0),
        (["--mask", "none", "-o", "a.jpg"], 0),
        (["-o", "a.jpg"], 0),
    ],
)
def test_who_asks_for_untouched_pixels_in_a_jpeg_is_told_once(capsys, checkpoint, tokens, times):
    Image.new("L", (40, 30), 255).save("mask.png")
    assert edit(capsys, checkpoint, "cat.png", *tokens).err.count("a JPEG changes every pixel a little") == times


def test_quiet_says_nothing(capsys, checkpoint):
    done = edit(capsys, checkpoint, "cat.png", "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_progress_without_a_terminal_is_a_line_now_and_then(capsys, checkpoint, monkeypatch):
    asked = ("cat.png", "--direction", "cat-dog.safetensors", "--overwrite")
    words = ("--source", "cat", "--target", "dog", "--model", checkpoint, "--count", "2")
    call(capsys, "direction", "make", *words, "-o", "cat-dog.safetensors")
    assert edit(capsys, checkpoint, *asked).err == ""  # shorter than the pause
    monkeypatch.setattr(progress, "PAUSE", -1.0)
    lines = edit(capsys, checkpoint, *asked).err.splitlines()
    assert lines == ["invert 1/2", "invert 2/2", "edit 1/2", "edit 2/2"]


def test_progress_on_a_terminal_has_every_stage(capsys, checkpoint, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    shown = edit(capsys, checkpoint, "cat.png")
    for stage in ("loading the model", "direction", "invert", "edit"):
        assert stage in shown.err
    assert "2/2" in shown.err
    assert edit(capsys, checkpoint, "cat.png", "--quiet").err == ""


def test_before_and_after_show_the_same_part(capsys, checkpoint):
    """The framed source beside a native edit, the photograph beside a restored one; small ones enlarged."""
    edit(capsys, checkpoint, "cat.png", "--native", "--before-after", "both.png", "-o", "native.webp")
    with Image.open("native.webp") as picture, Image.open("both.png") as both, Image.open("cat.png") as cat:
        assert picture.size == (32, 32)
        assert both.size == (256 + 8 + 256, 256)
        lanczos = Image.Resampling.LANCZOS
        framed = cat.resize((32, 32), lanczos, box=(5, 0, 35, 30))
        assert both.crop((0, 0, 256, 256)).tobytes() == framed.resize((256, 256), lanczos).tobytes()
        assert both.crop((264, 0, 520, 256)).tobytes() == picture.resize((256, 256), lanczos).tobytes()
    photograph(Path("large.png"), 300, 270)
    edit(capsys, checkpoint, "large.png", "--before-after", "both.png", "--overwrite")
    with Image.open("both.png") as both, Image.open("large.png") as large:
        assert both.size == (300 + 8 + 300, 270)
        assert both.crop((0, 0, 300, 270)).tobytes() == large.tobytes()


def test_without_a_photograph_the_source_is_generated(capsys, checkpoint):
    done = edit(capsys, checkpoint, "--prompt", "a small cat in the snow", "--before-after", "both.png")
    assert done.code == 0
    assert "source_sha256" not in read_recipe(f"out/cat-dog-{USUAL}.png")
    with Image.open("both.png") as both:
        assert both.size == (256 + 8 + 256, 256)


def test_a_saved_inversion_gives_the_same_edit(capsys, checkpoint):
    asked = ("cat.png", "--source", "cat", "-o", "cat.safetensors", "--model", checkpoint, "--threads", "1")
    assert call(capsys, "invert", *asked, *METHOD, "--steps", "2").code == 0
    edit(capsys, checkpoint, "cat.png", "-o", "direct.png")
    edit(capsys, checkpoint, "cat.png", "-o", "saved.png", "--inversion-file", "cat.safetensors")
    with Image.open("direct.png") as direct, Image.open("saved.png") as saved:
        assert direct.tobytes() == saved.tobytes()
    assert "the same bytes" in call(capsys, "redo", "saved.png", "--model", checkpoint).out
    other = edit(capsys, checkpoint, "cat.png", "--inversion-file", "cat.safetensors", "--seed", "1")
    assert other.code == 1
    assert "has another seed" in other.err


def test_direction_from_words_equals_the_one_from_the_same_sentences(capsys, checkpoint, tmp_path):
    for word in ("cat", "dog"):
        (tmp_path / f"{word}.txt").write_text("\n".join(template_sentences(word, 10)) + "\n")
    words = ("--source", "cat", "--target", "dog", "--model", checkpoint)
    given = ("--source-sentences", "cat.txt", "--target-sentences", "dog.txt")
    assert call(capsys, "direction", "make", *words, "--count", "10", "-o", "bank.safetensors").code == 0
    assert call(capsys, "direction", "make", *words, *given, "-o", "files.safetensors").code == 0
    bank, own = (load_direction(tmp_path / f"{name}.safetensors") for name in ("bank", "files"))
    assert torch.equal(bank.delta, own.delta)
    assert (bank.provenance["origin"], own.provenance["origin"]) == ("template bank", "files")
    shown = json.loads(call(capsys, "direction", "show", "files.safetensors", "--json").out)
    assert shown["norm"] == pytest.approx(float(own.delta.norm()), abs=1e-4)
    assert shown["source_sentences"] == "10"
    edit(capsys, checkpoint, "cat.png", "--direction", "files.safetensors")
    recipe = read_recipe(f"out/cat-dog-{USUAL}.png")
    assert (recipe["direction_path"], recipe["direction_sha256"]) == ("../files.safetensors", own.sha256)


def test_generate_and_its_names(capsys, checkpoint, tmp_path):
    few = ("--steps", "2", "--model", checkpoint, "--seed", "3")
    assert call(capsys, "generate", "a cat", "a dog", *few).code == 0
    assert files(tmp_path / "out") == ["a-cat-3.png", "a-dog-3.png"]
    assert call(capsys, "generate", "a cat", *few, "-o", "one.jpg").out.startswith("one.jpg  (")


@pytest.mark.slow  # the counting itself has its tests
def test_cost_is_counted_without_weights(capsys, checkpoint):
    done = call(capsys, "cost", "--model", checkpoint, "--steps", "4", "--inversion", "ddim", "--json")
    figures = json.loads(done.out)
    assert figures["steps"] == 4
    assert figures["first_edit_sf"] > figures["further_edit_sf"] > 0


@pytest.mark.slow
def test_a_trained_model_edits(capsys, tmp_path):
    pytest.importorskip("lightning")
    folder = tmp_path / "pictures"
    folder.mkdir()
    names = [photograph(folder / f"{k}.png", 32, 32, seed=k).name for k in range(4)]
    (folder / "captions.csv").write_text("file,caption\n" + "".join(f"{name},a photo of a cat\n" for name in names))
    stages = [f"--{stage}-steps=1" for stage in ("autoencoder", "decoder", "clip", "denoiser")]
    small = ("--size", "32", "--batch", "2", "--half-steps", "0", "--precision", "fp32")
    done = call(capsys, "train", folder, "--run", "run", "-o", "model", *stages, *small)
    assert (done.code, done.out) == (0, "model\n"), done
    assert edit(capsys, tmp_path / "model", "cat.png").code == 0


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (("cat.png", "--target", "dog", "tiger"), "If tiger is one more target, write --target tiger."),
        (("cat.png", "dog.png", "--target", "dog"), "dog.png does not exist: check the path of the picture."),
        (("cat.png", "--target", "dog", "--method", "pix2pix"), "did you mean pix2pix-zero?"),
        (("cat.png", "--target", "dog", "--method", "none"), "choose one of: pix2pix-zero,"),
    ],
)
def test_what_was_meant_is_said(capsys, checkpoint, tmp_path, tokens, said):
    done = call(capsys, "edit", *tokens, "--source", "cat", "--model", checkpoint)
    assert done.code in (1, 2) and said in done.err
    assert ("one more target" in done.err) == ("one more target" in said)
    assert files(tmp_path) == ["cat.png"]
