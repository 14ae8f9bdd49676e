"""Wrong usage: one clear sentence on stderr, exit code 2, and nothing written or loaded."""

import subprocess
import sys

import pytest

from tests.shell import METHOD, call, files, photograph, refused
from zeroshift.cli import cost

KEPT = ("--source", "cat", "-o", "kept.safetensors")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cost, "PATIENCE", 600)
    photograph(tmp_path / "cat.png")


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (["--method", "nope"], ['no method "nope"', "pix2pix-zero"]),
        (["--window", "3"], ["edit has no option --window"]),
        (["--steps", "0"], ["--steps of pix2pix-zero takes a whole number from 1 to 999, not 0."]),
        (["--guidance-scale", "51"], ["--guidance-scale of pix2pix-zero takes a number from 1 to 50, not 51.0."]),
        (["--steps", "many"], ["--steps", "many"]),
        (["--inversion", "backwards"], ["backwards", "regularised"]),
        (
            ["--inversion", "ddim", "--lambda-ac", "3"],
            ["--lambda-ac is an option of --inversion regularised; add that"],
        ),
        (["--eta=0.5"], ["--eta is an option of --extras sampling-noise; add that, or leave it out"]),
        (["--control", "none", "--lambda-xa", "1"], ["--lambda-xa is an option of --control attention-guidance"]),
        (["--inversion", "random", "--noise-strength", "1"], ["an option of --inversion noised"]),
        (["--extras", "sampling-noise,sharper"], ['--extras has no kind "sharper"', "sampling-noise"]),
        (["--extras", "sampling-noise,sampling-noise"], ["once"]),
        (["--conditioning", ""], ['--conditioning has no kind ""', "direction, prompts"]),
        (["--inversion", "noised", "--noise-strength", "0.01"], ["noise strength of 0.01 leaves none of 50 steps"]),
        (["--conditioning", "prompts", "--sentences", "9"], ["an option of --conditioning direction"]),
        (["--conditioning", "prompts", "--direction", "d.safetensors"], ["--direction means nothing to"]),
        (["--method", "ddim", "--direction", "d.safetensors"], ["--direction means nothing to --conditioning prompts"]),
        (["--method", "prompt-to-prompt", "--blend-words", "cow,dog"], ["cow"]),
        (["--method", "ddim", "--values-until", "0.3"], ["--values-until is for what --inversion value-embedding"]),
        *(
            (["--method", "ddim", "--inversion", kind, "--negative", "x"], ["--negative does nothing", "leave it out"])
            for kind in ("null-text", "negative-prompt", "redescription", "value-embedding")
        ),
        (["--method", "ddim", "--empty-schedule", "linear"], ["--empty-schedule is the course of --empty-share"]),
        (["--method", "plug-and-play", "--start-seed", "3"], ["--start-seed is for --target-start random"]),
        (["--words", "swap", "--sentences", "9"], ["--words swap", "--sentences"]),
        (["--preview-every", "2"], ["--preview-every", "add --previews FOLDER"]),
        (["--batch", "0"], ["--batch", "from 1 to 64"]),
        (["--fit", "squash"], ["squash", "aspect"]),
        (["--seed", "-1"], ["--seed", "of at least 0"]),
        (["--threads", "0"], ["--threads", "of at least 1"]),
        (["--strengths", "1,much"], ["--strength takes numbers"]),
        (["--strengths", "1,11"], ["--strength of pix2pix-zero", "11"]),
        (["--target", ""], ["target is empty"]),
        (["--source", " "], ["source is empty"]),
        (["--target", "Cat"], ['Source and target are both "cat"']),
        (["--source", "cat", "--prompt", "a photo of a dog"], ['word "cat" does not stand in the prompt']),
        (["--target"], ["--target needs a value"]),
        (["-o", "cat.png"], ["cat.png is the photograph itself"]),
        (
            ["--target", "fox", "--target", "dog", "--before-after", "both.png"],
            ["both.png is the name of one picture, and 2"],
        ),
        (["deep/cat.png"], ["would be written twice; give pictures and results different names"]),
        (["-o", "a.png", "--before-after", "a.png"], ["a.png would be written twice"]),
        (["-o", "a.png", "--before-after", "b/../a.png"], ["would be written twice"]),
        (["-o", "a.png", "--before-after", "cat.png"], ["cat.png is the photograph itself"]),
        (["-o", "a.png", "--direction", "a.png"], ["a.png is the edit direction itself"]),
        (["-o", "a.png", "--inversion-file", "a.png"], ["a.png is the inversion itself"]),
        (["-o", "runs.v2"], ["runs.v2 is no name of a picture", ".png"]),
        (["-o", "dog.tiff"], ["dog.tiff is no name of a picture", ".png"]),
        (["--before-after", "both"], ["both is no name of a picture"]),
        (["--direction", "d.safetensors", "--words", "swap"], ["--words", "--direction"]),
        (["--direction", "d.safetensors", "--sentences", "9"], ["--sentences", "--direction"]),
        (["--strengths", "0.5,1", "--strength", "1"], ["--strength"]),
        (["--revision", "main"], ["--revision", "downloaded"]),
        (["--cache-dir", "cache"], ["--cache-dir", "downloaded"]),
        (["--model", ".", "--cache-dir", "cache"], ["--cache-dir", "downloaded"]),
        (["--vgg", "vgg16.safetensors"], ["--vgg", "the extra refinement", "add that to --extras"]),
        (
            ["--extras", "refinement", "--refine-style", "1"],
            ["give --vgg", "leave --refine-perceptual and --refine-style out"],
        ),
        (["--inversion", "random"], ["A random start holds nothing of the photograph", "add --extras refinement"]),
        (["--control", "replay", "--target-start", "random", "--inversion", "edit-friendly"], ["all the way"]),
        (["--maps-from", "inversion", "--inversion-file", "x.safetensors"], ["none is in this run"]),
    ],
)
def test_of_edit(capsys, tmp_path, tokens, words):
    own = [] if "--source" in tokens else ["--source", "cat"]
    own += [] if "--target" in tokens else ["--target", "dog"]
    own += [] if any(token.startswith("--method") for token in tokens) else METHOD
    refused(call(capsys, "edit", "cat.png", *own, *tokens), 2, *words)
    assert files(tmp_path) == ["cat.png"]


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (["frobnicate"], ['no verb "frobnicate"', "choose one of: edit, invert"]),
        (["edti"], ["did you mean edit?"]),
        (["edit", "cat.png", "--source", "cat"], ["edit needs --target", "zeroshift edit --help"]),
        (["generate", ""], ["Give one prompt or more"]),
        (["generate", "a cat", "--steps", "1000"], ["--steps"]),
        (["invert", "cat.png", "--source", "cat", "-o", "x.png"], ["x.png must end in .safetensors"]),
        (["direction", "make", "--source", "cat", "--target", "cat", "-o", "x.safetensors"], ["are both"]),
        (["direction", "make", "--source", "", "--target", "cat", "-o", "x.safetensors"], ["is empty"]),
        (["direction", "swap"], ["swap"]),
        (["cost", "--steps", "-3"], ["--steps of plug-and-play"]),
        (["cost", "--size", "333"], ["size must be a multiple of", "not 333"]),
        (["cost", "--size", "0"], ["size must be a multiple of", "not 0"]),
        (["cost", "--size", "-512"], ["size must be a multiple of", "not -512"]),
        (["cost", "--revision", "main"], ["--revision", "downloaded"]),
        (["edit", "--source", "cat", "--target", "dog", "--fit", "pad"], ["--fit", "none is given"]),
        (
            ["edit", "--source", "cat", "--target", "dog", "--no-second-try", "--fit", "pad"],
            ["--fit", "none is given"],  # and no word of the other option, which there is
        ),
        (["edit", "--source", "cat", "--target", "dog", *METHOD, "--lambda-ac", "1"], ["--inversion", "none is given"]),
        (
            ["edit", "--source", "cat", "--target", "dog", "--max-megapixels", "1"],
            ["--max-megapixels", "none is given"],
        ),
        (["edit", "--source", "cat", "--target", "dog", "--batch", "2"], ["--batch", "none is given"]),
        (["invert", "cat.png", *KEPT, "--strength", "1"], ["invert has no option --strength"]),
        (["invert", "cat.png", *KEPT, "--guidance-scale", "2"], ["--inversion", "null-text", "add that"]),
        (["generate", "a cat", "--eta", "1"], ["generate has no option --eta"]),
        (["edit", "--source", "cat", "--target", "dog", "--inversion-file", "x"], ["--inversion-file"]),
        (["edit", "--source", "cat", "--target", "dog", *METHOD, "--maps-from", "inversion"], ["none is in this run"]),
        (["invert", "x.safetensors", "--source", "cat", "-o", "x.safetensors"], ["is the photograph itself"]),
        (["train", "cats", "-o", "cats"], ["cats is the folder of pictures itself"]),
        (["train", "cats", "--init", "small", "-o", "small"], ["small is the model to start from itself"]),
        (["quality", "cats", "-o", "cats"], ["cats is the folder of pictures itself"]),
    ],
)
def test_of_other_verbs(capsys, tmp_path, tokens, words):
    refused(call(capsys, *tokens), 2, *words)
    assert files(tmp_path) == ["cat.png"]


@pytest.mark.parametrize("tokens", ["methods --json", "edit --help", "--version"])
def test_output_that_nobody_reads_ends_quietly(tokens):
    command = f"{sys.executable} -m zeroshift {tokens} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(
    ("verb", "flag"),
    [
        *(
            ("edit", flag)
            for flag in ("--model", "--clip", "--captioner", "--lora", "--revision", "--region", "--prompt")
        ),
        *(
            ("edit", flag)
            for flag in ("--strength", "--seeds", "--sentences-from", "--mask", "-o", "--seed", "--device")
        ),
        *(("serve", flag) for flag in ("--name", "--host", "--host-name", "--also", "--api-keys", "--port")),
        *(("redo", flag) for flag in ("--model", "--clip", "--lora")),
        ("generate", "--model"),
        ("cost", "--model"),
        ("bench run", "--task"),
        ("bench report", "--title"),
        ("distill train", "--reals"),
        ("convert", "--revision"),
        ("doctor", "--revision"),
    ],
)
def test_empty_values(capsys, tmp_path, verb, flag):
    """An option that is given nothing is refused as usage, before anything is loaded, whatever it is of."""
    own = {
        "edit": ("cat.png", *KEPT[:2], "--target", "dog", *METHOD),
        "redo": ("cat.png",),
        "generate": ("a cat",),
        "bench run": (".", "-o", "out"),
        "bench report": ("x.csv", "-o", "x.html"),
        "distill train": (".", "-o", "out"),
        "convert": ("x", "y"),
    }
    done = call(capsys, *verb.split(), *own.get(verb, ()), flag, "")
    refused(done, 2, flag)
    assert "empty" in done.err or "''" in done.err or "nothing" in done.err
    assert files(tmp_path) == ["cat.png"]


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (["--lora", "x:nan"], ["The weight of a LoRA is a number from -10 to 10, not nan."]),
        (["--lora", "x.safetensors:11"], ["from -10 to 10, not 11."]),
        (["--region", "0.4,0.4,0.4,0.4"], ["--region 0.4,0.4,0.4,0.4 is under 16 px", "pixels or percent"]),
        (["--max-megapixels", "inf"], ["--max-megapixels takes a number above 0, not 'inf'."]),
        (["--max-megapixels", "nan"], ["--max-megapixels takes a number above 0, not 'nan'."]),
        (["--detail", "nan"], ["--detail takes a number from 0 to 1, not 'nan'."]),
        (["--revision", "main"], ["--revision says how a model is downloaded, and this one is not"]),
        (["--revision", "main", "--cache-dir", "x"], ["--revision and --cache-dir say how a model is downloaded"]),
    ],
)
def test_what_no_model_could_do_is_refused_before_one_is_loaded(capsys, tmp_path, monkeypatch, tokens, words):
    monkeypatch.setattr("zeroshift.loading.load", None)  # it would fail, and with another code
    refused(call(capsys, "edit", "cat.png", *KEPT[:2], "--target", "dog", *METHOD, *tokens), 2, *words)
    assert files(tmp_path) == ["cat.png"]


@pytest.mark.parametrize("verb", [("caption",), ("invert", *KEPT)])
def test_a_region_of_fractions(capsys, monkeypatch, verb):
    monkeypatch.setattr("zeroshift.loading.load", None)
    refused(call(capsys, verb[0], "cat.png", *verb[1:], "--region", "0,0,1,1"), 2, "--region 0,0,1,1 is under 16 px")


def test_no_extras_of_a_preset_are_asked_for_by_an_empty_value():
    """The one value that may be empty: a model may recommend extras, and this takes them off."""
    from zeroshift.cli.edit import flags_for

    (flag,) = (one for one in flags_for(["--method", "sdedit", "--extras", ""])[1] if one.name == "extras")
    assert flag.several == ()
