"""Edits that say nothing of their source: ``zeroshift caption``, ``edit`` and ``invert``, and the same in Python."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from tests.captioned import seeing
from tests.shell import FEW, METHOD, USUAL, call, photograph, refused
from zeroshift import load
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.captioning.subject import subject_of
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.editor import Editor
from zeroshift.image import read_recipe
from zeroshift.miniature.captioner import read_captioner
from zeroshift.miniature.reading import source_prompt
from zeroshift.presets import build_method

NAMES = [f"{k}.png" for k in range(8)]


@pytest.fixture(scope="module")
def place(tmp_path_factory, checkpoint) -> tuple[Path, Path]:
    """A folder with photographs, and a model that captions them differently."""
    folder = tmp_path_factory.mktemp("seen")
    for k, name in enumerate(NAMES):
        pixels = Image.open(photograph(folder / name, 32, 32, seed=k))
        Image.blend(pixels, Image.new("RGB", (32, 32), (30 * k, 255 - 30 * k, k % 3 * 120)), 0.8).save(folder / name)
    return folder, seeing(checkpoint, folder / "model", [folder / name for name in NAMES])


@pytest.fixture
def captions(place, monkeypatch) -> dict[str, str]:
    """What the model's captioner says of each photograph."""
    folder, model = place
    monkeypatch.chdir(folder)
    pictures = [Image.open(name) for name in NAMES]
    found = dict(zip(NAMES, read_captioner(model / "classifier").captions(pictures), strict=True))
    assert {subject_of(caption).noun for caption in found.values()} == {"cat", "dog"}
    assert len(set(found.values())) > 2
    return found


def test_caption_prints_a_line_for_each(capsys, place, captions):
    done = call(capsys, "caption", *NAMES, "--model", place[1])
    assert (done.code, done.err) == (0, "")
    assert [line.partition(" (")[0] for line in done.out.splitlines()] == [f"{k}: {v}" for k, v in captions.items()]
    lines = call(capsys, "caption", *NAMES, "--model", place[1], "--json").out.splitlines()
    told = [json.loads(line) for line in lines]
    assert [(one["path"], one["caption"], one["sure"]) for one in told] == [(*pair, True) for pair in captions.items()]
    for line, one in zip(done.out.splitlines(), told, strict=True):
        assert line.endswith("(" + ", ".join(f"{animal} {p:.2f}" for animal, p in one["probabilities"].items()) + ")")
    alone = call(capsys, "caption")
    assert (alone.code, alone.out) == (2, "") and alone.err.startswith("Usage: zeroshift caption IMAGE...")


def test_pictures_of_one_source_run_together_and_redo_looks_at_nothing(capsys, place, captions, tmp_path):
    words = ("--target", "fox", "--model", place[1], "--threads", "1", "-o", tmp_path, *FEW)
    done = call(capsys, "edit", *NAMES, *words)
    assert done.code == 0
    said = [line for line in done.err.splitlines() if "warning" not in line]
    assert said == [f"{name}: sees {caption}" for name, caption in captions.items()]
    assert done.err.count('does not know "fox"') == 1
    sources = {name: source_prompt(caption) for name, caption in captions.items()}
    for name, caption in captions.items():
        recipe = read_recipe(tmp_path / f"{Path(name).stem}-fox-{USUAL}.png")
        alike = [other for other in NAMES if sources[other] == sources[name]]
        noun = subject_of(caption).noun
        assert (recipe["caption"], recipe["source"], recipe["source_prompt"]) == (caption, noun, sources[name])
        assert recipe["target_prompt"] == sources[name].replace(f"a {noun}", "a fox")
        assert (recipe["rows"], recipe["row"]) == (len(alike), alike.index(name))
    assert len(set(sources.values())) < len(NAMES)
    (place[1] / "classifier").rename(place[1] / "away")
    try:
        assert "the same bytes" in call(capsys, "redo", tmp_path / f"3-fox-{USUAL}.png", "--model", place[1]).out
    finally:
        (place[1] / "away").rename(place[1] / "classifier")


def test_words_and_whole_prompts_have_sources_of_their_own(capsys, place, captions, tmp_path):
    """A whole prompt stands against the whole caption, a word against the caption without attributes."""
    name = next(name for name, caption in captions.items() if source_prompt(caption) != caption)
    targets = ("--target", "fox", "--target", "a painting of a fox", "--target", "bear")
    words = (*targets, "--strengths", "0,1", "--model", place[1], "-o", tmp_path, "--quiet", *FEW)
    done = call(capsys, "edit", name, *words)
    assert (done.code, done.out, done.err) == (0, "", "")
    for target, source in (
        ("fox", source_prompt(captions[name])),
        ("bear", source_prompt(captions[name])),
        ("a-painting-of-a-fox", captions[name]),
    ):
        for strength in (0, 1):
            recipe = read_recipe(tmp_path / f"{Path(name).stem}-{target}-{strength}-{USUAL}.png")
            assert recipe["source_prompt"] == source
            assert recipe["options"]["conditioning"]["strength"] == strength
            assert recipe["target"].replace(" ", "-") == target


def test_an_inversion_without_words_serves_an_edit_without_words(capsys, place, captions, tmp_path):
    few = ("--model", place[1], "--threads", "1", "--steps", "2")
    name = next(name for name, caption in captions.items() if source_prompt(caption) != caption)
    done = call(capsys, "invert", name, *METHOD, "-o", tmp_path / "kept.safetensors", *few)
    assert (done.code, done.err) == (0, f"{name}: sees {captions[name]}\n")
    kept = (*METHOD, "--inversion-file", tmp_path / "kept.safetensors", "--sentences", "10")
    assert call(capsys, "edit", name, "--target", "fox", "-o", tmp_path / "fox.png", *kept, *few).code == 0


def test_what_cannot_be_seen_is_refused(capsys, place, captions, checkpoint):
    animal = subject_of(captions["0.png"]).noun
    few = ("--model", place[1], *FEW)
    told = call(capsys, "edit", "0.png", "--target", animal, "--quiet", *few)
    refused(told, 1, captions["0.png"], "would change nothing")
    refused(call(capsys, "edit", "--target", "fox", *few), 2, "nothing to look at", "--source")
    refused(call(capsys, "edit", "0.png", "--target", " ", *few), 2, "target is empty")
    words = ("0.png", "--prompt", "a photo of a cat")
    refused(call(capsys, "edit", *words, "--target", "fox", *few), 2, "give both, or leave both out")
    refused(call(capsys, "invert", *words, "-o", "x.safetensors", "--model", place[1]), 2, "give both, or leave")
    blind = call(capsys, "edit", "0.png", "--target", "fox", "--model", checkpoint, *FEW)
    refused(blind, 1, "has no captioner", "--source")


def test_the_same_in_python(place, captions):
    editor = load(place[1], device="cpu")
    assert {name: editor.caption(name) for name in NAMES} == captions
    options = {"conditioning": {"sentences": 10}, "steps": 2}
    method = build_method("pix2pix-zero", options)
    results = editor.edit(NAMES[:4], target="fox", method=method)
    sources = [source_prompt(captions[name]) for name in NAMES[:4]]
    assert [r.recipe["caption"] for r in results] == [captions[name] for name in NAMES[:4]]
    assert [r.recipe["source_prompt"] for r in results] == sources
    assert [r.recipe["rows"] for r in results] == [sources.count(source) for source in sources]
    animal = subject_of(captions["0.png"]).noun
    alone = editor.edit("0.png", animal, "fox", prompt=sources[0], method=method)
    assert "caption" not in alone.recipe
    single = editor.edit("0.png", target="fox", method=method)
    assert single.image.tobytes() == alone.image.tobytes()
    with pytest.raises(ValueError, match="give another target"):
        editor.edit("0.png", target=animal)
    with pytest.raises(ValueError, match="give both, or leave both out"):
        editor.edit("0.png", target="fox", prompt="a photo of a cat")


def test_a_model_without_a_captioner_says_so(tiny: StableDiffusion):
    with pytest.raises(Unsupported, match="has no captioner.* give the `source`"):
        Editor(tiny, {}).caption(Image.new("RGB", (32, 32)))


class Says:
    """A captioner of one sentence."""

    def captions(self, pictures: Sequence[Image.Image]) -> list[str]:
        return ["a photo of a cup"] * len(pictures)


def test_another_captioner_takes_the_place_of_the_models_own(place):
    editor = load(place[1], device="cpu", captioner=Says())
    task = editor.edit(place[0] / "0.png", target="bowl", method=build_method("ddim", {"steps": 2})).recipe
    assert (task["caption"], task["target_prompt"]) == ("a photo of a cup", "a photo of a bowl")
