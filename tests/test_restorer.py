"""The model's own restorer: what it knows, what it learns from, and the edits that it redraws."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import zeroshift
from tests.shell import call
from tests.tiny import tiny_checkpoint
from zeroshift import EditSpec, replay
from zeroshift.asked.again import asked_again
from zeroshift.asked.edits import NOT_RESTORED
from zeroshift.backbones.checkpoint import SHIPPED
from zeroshift.cli.written import command_line
from zeroshift.framed import Encoded, framed, stacked
from zeroshift.image import Photo, read_recipe
from zeroshift.image.tensors import to_pictures
from zeroshift.miniature.restorer import TrainedRestorer, load_restorer, read_restorer, save_restorer
from zeroshift.miniature.restorer_network import RestorerNetwork, sharp_in_lightness
from zeroshift.recipe import parse_recipe
from zeroshift.redo import result_of
from zeroshift.running.from_noise import generate
from zeroshift.running.generating import generate_all
from zeroshift.running.translate import _details

PHOTOGRAPH = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
FEW = {"source": "cat", "target": "dog", "method": "ddim", "options": {"steps": 2}, "fit": "stretch"}
SAMPLED = {"seeds": [0], "steps": 2, "guidance_scale": 5.0}


def loud(animals: tuple[str, ...] = ("cat", "dog")) -> TrainedRestorer:
    """A random network that changes what it sees."""
    torch.manual_seed(3)
    network = RestorerNetwork().eval().requires_grad_(False)
    network.last.weight.normal_(std=0.05)
    return TrainedRestorer(network, animals)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint that has a restorer."""
    root: Path = tiny_checkpoint(tmp_path_factory.mktemp("own") / "tiny")
    save_restorer(loud(), root / "restorer")
    return root


@pytest.fixture(scope="module")
def editor(folder: Path) -> zeroshift.Editor:
    return zeroshift.load(folder, device="cpu", precision="fp32")


@pytest.mark.parametrize(
    ("prompt", "known"),
    [
        ("a photo of a cat", True),
        ("a photo of a black Dog", True),
        ("a close-up photograph of a cat", True),
        ("photos of cats", True),
        ("a photo of a painting of a cat", False),
        ("a photo of sketches of cats", False),
        ("a photo of a plush cat", False),
        ("a photo of a cat in the style of a cartoon", False),
        ("a pencil sketch of a cat", False),
        ("a photo of a catalogue", False),
        ("a photo of the sea", False),
        ("cat", False),
        ("", False),
    ],
)
def test_it_knows_photographs_of_animals_alone(prompt, known):
    assert loud().knows(prompt) == known


def test_untrained_it_changes_nothing():
    same = TrainedRestorer(RestorerNetwork().eval(), ("cat",)).restored(Image.fromarray(PHOTOGRAPH))
    np.testing.assert_array_equal(np.asarray(same), PHOTOGRAPH)


def test_what_it_adds_is_sharp_in_lightness_alone():
    """A line across: grey stays as it is; red keeps its lightness there, and its hue runs to eight pixels around."""
    grey, red = torch.zeros(1, 3, 24, 24), torch.zeros(1, 3, 24, 24)
    grey[..., 12], red[:, 0, :, 12] = 1, 1
    torch.testing.assert_close(sharp_in_lightness(grey), grey)
    found = sharp_in_lightness(red)
    lightness = torch.einsum("c,nchw->nhw", torch.tensor([0.299, 0.587, 0.114]), found)
    torch.testing.assert_close(lightness[0, :, 12], torch.full((24,), 0.299), atol=1e-6, rtol=0)
    hue = (found[0, 0] - found[0, 2])[12]
    assert hue[12] == hue.max() < 0.25 and (hue[8:17] > 0).all() and not hue[:8].any() and not hue[17:].any()
    assert hue.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 47), (16, 30), (5, 7)])
def test_pictures_of_all_sizes_are_the_networks_of_their_edges_repeated(height, width):
    picture = np.random.default_rng(1).integers(0, 255, (height, width, 3), dtype=np.uint8)
    wide = np.pad(picture, ((0, -height % 16), (0, -width % 16), (0, 0)), mode="edge")
    x = torch.from_numpy(wide).permute(2, 0, 1)[None] / 127.5 - 1
    wanted = ((loud().network(x) + 1) * 127.5).round().clamp(0, 255)[0, :, :height, :width].permute(1, 2, 0)
    found = loud().restored(Image.fromarray(picture))
    assert found.size == (width, height)
    assert np.abs(np.asarray(found).astype(int) - wanted.numpy()).max() <= 1  # of bytes, rounded


def test_what_is_saved_is_read_again_and_what_is_missing_is_told(tmp_path):
    before = replace(loud(), trained_on="discs", figures={"held_out_kid_restored": 0.5})
    save_restorer(before, tmp_path)
    after = load_restorer(tmp_path)
    assert (after.animals, after.trained_on, after.figures) == (before.animals, before.trained_on, before.figures)
    found, wanted = (one.restored(Image.fromarray(PHOTOGRAPH)) for one in (after, before))
    assert np.abs(np.asarray(found).astype(int) - np.asarray(wanted)).max() <= 3  # half precision
    (tmp_path / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(ValueError, match="restorer in .* cannot be made of config.json and model.safetensors"):
        load_restorer(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    own = read_restorer(tmp_path)
    for asked in (lambda: own.sha256, lambda: own.knows("a photo of a cat")):
        with pytest.raises(ValueError, match="has no model.safetensors"):
            asked()


def test_an_edit_is_redrawn_where_that_is_asked_for(editor):
    plain, redrawn = (editor.edit(PHOTOGRAPH, EditSpec(**FEW, restore=asked)) for asked in (None, True))
    wanted = load_restorer(editor.restorer.folder).restored(plain.native)
    np.testing.assert_array_equal(np.asarray(redrawn.native), np.asarray(wanted))
    assert redrawn.recipe["restorer_sha256"] == editor.restorer.sha256 and "restorer_sha256" not in plain.recipe


def test_the_source_branch_stays_as_it_was_drawn(editor):
    asked = {**FEW, "method": "prompt-to-prompt"}
    found = []
    for restore in (False, True):
        request = EditSpec(**asked, restore=restore).resolve(editor)
        *_, step = editor.run([Photo.of(PHOTOGRAPH)], [request], fit="stretch", reconstruct=True)
        found.append(step.results[0][0])
    plain, redrawn = (np.asarray(one.reconstruction) for one in found)
    np.testing.assert_array_equal(plain, redrawn)
    assert found[0].native.tobytes() != found[1].native.tobytes()


@pytest.mark.parametrize(
    ("asked", "redrawn"),
    [
        ({}, False),
        ({"mask": "grown"}, True),
        ({"mask": "auto"}, False),
        ({"mask": "grown", "restore": False}, False),
        ({"mask": "grown", "target": "sea"}, False),
        ({"source": "a photo of a cat", "target": "a drawing of a cat", "restore": True}, False),
    ],
)
def test_by_default_that_is_where_results_are_looked_at_and_it_knows_them(editor, asked, redrawn):
    result = editor.edit(PHOTOGRAPH, EditSpec(**{**FEW, **asked}))
    assert ("restorer_sha256" in result.recipe) == redrawn
    # what asks for the same again
    again = asked_again(parse_recipe(result.recipe), editor)
    assert ("restorer_sha256" in editor.edit(PHOTOGRAPH, again).recipe) == redrawn
    words = command_line(EditSpec(**{**FEW, **asked}), "cat.png").split()
    said = asked.get("restore")
    assert ("--restore" in words, "--no-restore" in words) == (said is True, said is False)


def test_a_redrawn_picture_is_made_again_by_the_same_restorer_alone(editor, folder, tmp_path):
    for asked in ({"mask": "grown"}, {"mask": "grown", "restore": False}):
        made = editor.edit(PHOTOGRAPH, EditSpec(**{**FEW, **asked}))
        *_, again = replay(editor, parse_recipe(made.recipe), Photo.of(PHOTOGRAPH))
        np.testing.assert_array_equal(np.asarray(again.results[0][0].image), np.asarray(made.image))
    made = editor.edit(PHOTOGRAPH, EditSpec(**FEW, restore=True))
    with pytest.raises(ValueError, match="has no restorer; give the model as it was then"):
        replay(replace(editor, restorer=None), parse_recipe(made.recipe), Photo.of(PHOTOGRAPH))
    other = tmp_path / "other"
    torch.manual_seed(4)
    save_restorer(TrainedRestorer(RestorerNetwork(), ("cat",)), other)
    with pytest.raises(ValueError, match="has another restorer; give the model"):
        replay(replace(editor, restorer=read_restorer(other)), parse_recipe(made.recipe), Photo.of(PHOTOGRAPH))


def test_a_generated_picture_is_redrawn_unless_that_is_off(editor):
    for prompt, known in (("a photo of a cat", True), ("a sketch of a cat", False)):
        plain, redrawn = (editor.generate(prompt, steps=2, restore=asked) for asked in (False, True))
        wanted = load_restorer(editor.restorer.folder).restored(plain) if known else plain
        np.testing.assert_array_equal(np.asarray(redrawn), np.asarray(wanted))
    prompts = ["a photo of a cat", "a sketch of a cat"]
    asked = {"seeds": [0, 1], "steps": 2, "guidance_scale": 5.0}
    for restore in (True, False):
        *_, (_, last) = generate_all(editor, prompts, **asked, restore=restore)
        for (result,), known in zip(last.results, (restore, False), strict=True):
            assert result.recipe.get("restorer_sha256") == (editor.restorer.sha256 if known else None)
            *_, again = replay(editor, parse_recipe(result.recipe))
            one = result_of(parse_recipe(result.recipe), again).image
            np.testing.assert_array_equal(np.asarray(one), np.asarray(result.image))
    with pytest.raises(ValueError, match="has no restorer; give the model as it was then"):
        *_, (_, last) = generate_all(editor, prompts[:1], seeds=[0], steps=2, guidance_scale=5.0)
        replay(replace(editor, restorer=None), parse_recipe(last.results[0][0].recipe))


def test_several_photographs_are_redrawn_as_each_is_alone(editor):
    others = [PHOTOGRAPH, PHOTOGRAPH[::-1].copy()]
    spec = EditSpec(**FEW, restore=True)
    for one, photograph in zip(editor.edit(others, spec), others, strict=True):
        alone = editor.edit(photograph, spec)
        assert np.abs(np.asarray(one.native).astype(int) - np.asarray(alone.native)).max() <= 1


def test_a_folder_without_one_redraws_nothing(folder, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(folder, bare)
    shutil.rmtree(bare / "restorer")
    plain = zeroshift.load(bare, device="cpu", precision="fp32")
    assert plain.restorer is None
    result = plain.edit(PHOTOGRAPH, EditSpec(**FEW, restore=True))
    assert "restorer_sha256" not in result.recipe and NOT_RESTORED in result.warnings
    with pytest.raises(ValueError, match="does nothing: the model has no restorer"):
        plain.edit(PHOTOGRAPH, EditSpec(**FEW, restore=True, strict=True))


def test_asking_for_what_it_does_not_know_is_told(editor):
    drawing = {**FEW, "source": "a photo of a cat", "target": "a drawing of a cat"}
    assert NOT_RESTORED in editor.edit(PHOTOGRAPH, EditSpec(**drawing, restore=True)).warnings
    for asked in ({**FEW, "restore": True}, {**drawing, "mask": "grown"}):
        assert NOT_RESTORED not in editor.edit(PHOTOGRAPH, EditSpec(**asked)).warnings


def test_the_shipped_one_is_sharp_where_photographs_are_and_blurs_are_not():
    """Chelsea, blurred as a small decoder does, comes back sharper, in her own colours."""
    own = load_restorer(SHIPPED / "restorer")
    known = ("cat", "dog", "tiger", "lion", "cheetah", "pug", "golden retriever", "tabby cat")
    assert all(own.knows(f"a photo of a {word}") for word in known)
    assert not any(map(own.knows, ("a watercolour of a cat", "a photo of a mountain")))
    picture = Image.open(Path(__file__).parent.parent / "examples/cat.png").convert("RGB").crop((75, 0, 375, 300))
    small = picture.resize((128, 128), Image.Resampling.LANCZOS)
    soft = small.resize((48, 48), Image.Resampling.BOX).resize((128, 128), Image.Resampling.BICUBIC)
    found = own.restored(soft)
    detail = [np.abs(np.diff(np.asarray(one, float), axis=1)).mean() for one in (soft, found, small)]
    assert detail[0] * 1.2 < detail[1] < detail[2] * 1.5
    means = [np.asarray(one.resize((8, 8), Image.Resampling.BOX), float) for one in (found, soft)]
    assert np.abs(means[0] - means[1]).mean() < 6


def test_detail_is_what_a_redrawn_photograph_lacks_where_the_edit_is_redrawn(editor):
    """So an edit that changes nothing is the photograph at detail 1, as where nothing is redrawn."""
    (frame,) = framed(editor.backbone, [Photo.of(PHOTOGRAPH)], "stretch")
    photographs = Encoded(editor.backbone, stacked([frame]))
    plain = to_pictures(editor.backbone.decode(photographs.x0))
    request = EditSpec(**FEW, restore=True, detail=1.0).resolve(editor)
    (given,), (soft,) = (_details([request], photographs, [by]) for by in (editor.restorer, None))
    assert given.plain[0].tobytes() == editor.restorer.restored(plain[0]).tobytes()
    assert soft.plain[0].tobytes() == plain[0].tobytes()


def test_a_generated_edit_and_its_source_are_redrawn(editor):
    spec = EditSpec(source="cat", target="dog", method="prompt-to-prompt", options={"steps": 2})
    found = []
    for restore in (False, None):
        request = spec.model_copy(update={"restore": restore}).resolve(editor, photograph=False)
        *_, step = editor.run_generated([request], seed=1)
        found.append(step.results[0][0])
    own = load_restorer(editor.restorer.folder)
    for plain, redrawn in ((found[0].image, found[1].image), (found[0].reconstruction, found[1].reconstruction)):
        np.testing.assert_array_equal(np.asarray(own.restored(plain)), np.asarray(redrawn))
    assert found[1].recipe["restorer_sha256"] == editor.restorer.sha256 and "restorer_sha256" not in found[0].recipe
    *_, again = replay(editor, parse_recipe(found[1].recipe))
    np.testing.assert_array_equal(np.asarray(again.results[0][0].image), np.asarray(found[1].image))


@pytest.mark.parametrize("harm", ["torn", "nan"])
def test_a_damaged_one_is_told_before_anything_is_drawn(folder, tmp_path, harm):
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    weights = broken / "restorer/model.safetensors"
    if harm == "torn":
        weights.write_bytes(weights.read_bytes()[:1000])
    else:
        save_file({name: value * float("nan") for name, value in load_file(weights).items()}, weights)
    opened = zeroshift.load(broken, device="cpu", precision="fp32")
    for run in (
        lambda: next(generate(opened.backbone, ["a photo of a cat"], **SAMPLED, restorer=opened.restorer)),
        lambda: opened.edit(PHOTOGRAPH, EditSpec(**FEW, restore=True)),
        lambda: opened.edit(PHOTOGRAPH, EditSpec(**FEW, mask="grown")),
        lambda: next(opened.stream(PHOTOGRAPH, EditSpec(**FEW, mask="grown"))),
    ):
        with pytest.raises(ValueError, match="restorer in .* cannot be made of .*Or leave it out: `restore` off"):
            run()
    opened.edit(PHOTOGRAPH, EditSpec(**FEW, mask="grown", restore=False))
    opened.generate("a photo of a cat", steps=2, restore=False)


def test_one_of_other_words_is_another_one(editor, tmp_path):
    made = editor.edit(PHOTOGRAPH, EditSpec(**FEW, restore=True))
    save_restorer(loud(("cat",)), tmp_path)
    with pytest.raises(ValueError, match="has another restorer"):
        replay(replace(editor, restorer=read_restorer(tmp_path)), parse_recipe(made.recipe), Photo.of(PHOTOGRAPH))


def test_the_command_line_asks_for_it_and_leaves_it_out(folder, tmp_path, capsys):
    Image.fromarray(PHOTOGRAPH).save(tmp_path / "cat.png")
    model = ["--model", folder, "--device", "cpu"]
    edit = ["edit", tmp_path / "cat.png", "--source", "cat", "--target", "dog", "--method", "ddim", "--steps", "2"]
    made = {}
    for flag in ("--restore", "--no-restore"):
        file = tmp_path / f"edit{flag}.png"
        assert call(capsys, *edit, "--fit", "stretch", flag, *model, "-o", file).code == 0
        made[flag] = "restorer_sha256" in read_recipe(file)
    for flags in ((), ("--no-restore",)):
        file = tmp_path / f"drawn{len(flags)}.png"
        assert call(capsys, "generate", "a photo of a cat", "--steps", "2", *flags, *model, "-o", file).code == 0
        made[flags] = "restorer_sha256" in read_recipe(file)
    assert made == {"--restore": True, "--no-restore": False, (): True, ("--no-restore",): False}
