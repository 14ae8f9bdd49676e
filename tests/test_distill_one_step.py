"""The student ``one-step`` beside the network that it changes."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from PIL import Image
from safetensors.torch import load_file

pytest.importorskip("lightning")

from tests.shell import call, refused
from tests.test_distill_training import folder_of
from zeroshift.distillation.base import opened
from zeroshift.distillation.enlarging import Enlarging
from zeroshift.distillation.examples import open_examples
from zeroshift.distillation.latent_examples import VERSIONS, LatentExamples
from zeroshift.distillation.one_step import EVERYWHERE, OneStep, mask
from zeroshift.distillation.one_step_learning import mask_loss
from zeroshift.distillation.opening import open_editor
from zeroshift.distillation.options import DistillOptions
from zeroshift.distillation.reals import reals_of
from zeroshift.distillation.students import open_student, save_student
from zeroshift.distillation.training import stage_of, train

WAYS, PROMPTS = [["cat", "dog"], ["dog", "cat"]], ["a photo of a dog", "a photo of a cat"]


def new(checkpoint) -> OneStep:
    torch.manual_seed(0)
    return OneStep(WAYS, PROMPTS, str(checkpoint), rank=3)


@pytest.fixture
def student(checkpoint) -> OneStep:
    """One whose changes are large."""
    network = new(checkpoint)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def asked() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.rand(2, 3, 32, 32) * 2 - 1, torch.tensor([0, 1]), torch.tensor([1.0, 0.6])


def test_a_new_student_asks_the_network_as_it_is(checkpoint):
    """Its clean part by the schedule's equation; epsilon-prediction: x0 = (x - sigma eps) / alpha."""
    network, backbone = new(checkpoint), opened(str(checkpoint), "")
    x, direction, _ = asked()
    z = backbone.encode(x)
    alpha_bar = backbone.scheduler.alphas_cumprod[500]
    noised = alpha_bar.sqrt() * z + (1 - alpha_bar).sqrt() * network.noise
    eps = backbone.unet(noised, 500, backbone.embed(PROMPTS).tokens).sample
    found, where = network.changed(network.latents(x), direction)
    torch.testing.assert_close(found, (noised - (1 - alpha_bar).sqrt() * eps) / alpha_bar.sqrt(), rtol=1e-4, atol=1e-4)
    assert torch.equal(where, torch.full_like(where, EVERYWHERE))


def test_changes_are_products_of_thin_matrices(student, checkpoint):
    """Low-rank adaptation as it is defined, W + B A, put into a network of diffusers by hand."""
    (unet, _), x, direction = student.base, *asked()[:2]
    alone = UNet2DConditionModel.from_pretrained(checkpoint, subfolder="unet")
    config = {
        **alone.config,
        "in_channels": 2 * alone.config.in_channels,
        "out_channels": alone.config.out_channels + 1,
    }
    wide = UNet2DConditionModel.from_config(config)
    weights = dict(alone.state_dict())
    for key, change in student.changes.items():
        before = weights[key.replace("/", ".")]
        weights[key.replace("/", ".")] = before + (change.up @ change.down).reshape(before.shape)
    wide.load_state_dict(weights | {key.replace("/", "."): one for key, one in student.wide.items()})
    z = student.latents(x)
    level = student.levels(500)
    noised = level.alpha * z + level.sigma * student.noise
    out = wide(torch.cat([noised, z], 1), 500, student.texts[direction]).sample
    torch.testing.assert_close(student.changed(z, direction)[1], out[:, -1:], rtol=1e-4, atol=1e-4)
    assert max(change.down.shape[0] for change in student.changes.values()) == 3
    assert all(not one.requires_grad for one in unet.parameters())


@torch.no_grad()
def test_changes_are_added_once_where_nothing_is_trained(student):
    whole = student(*asked())
    assert not student.merged
    student.eval()
    assert student.merged
    torch.testing.assert_close(student(*asked()), whole, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_nothing_changes_at_intensity_0_nor_outside_of_the_mask(student):
    x, direction, _ = asked()
    assert torch.equal(student(x, direction, torch.zeros(2)), x)
    edits, where = student.edited(x, direction, torch.ones(2))
    assert not torch.equal(edits, x)
    student.wide["conv_out/bias"][-1] = -100
    edits, where = student.edited(x, direction, torch.ones(2))
    assert torch.equal(edits, x) and not where.any()


@torch.no_grad()
def test_features_are_what_the_network_has_on_its_way_down(student):
    """By hooks in the network itself."""
    unet, seen = student.base[0], []
    parts = [block.resnets[-1] if not block.attentions else block.attentions[-1] for block in unet.down_blocks[:2]]
    hooks = [one.register_forward_hook(lambda _m, _i, out: seen.append(out)) for one in [*parts, unet.mid_block]]
    z, direction = torch.randn(2, 4, 8, 8), torch.tensor([1, 0])
    unet(z, torch.tensor([30, 700]), student.texts[direction])
    for hook in hooks:
        hook.remove()
    found = student.features(z, torch.tensor([30, 700]), direction)
    assert tuple(one.shape[1] for one in found) == student.widths
    for own, theirs in zip(found, seen, strict=True):
        theirs = theirs if isinstance(theirs, torch.Tensor) else theirs[0]
        torch.testing.assert_close(own, theirs)


@torch.no_grad()
def test_latents_become_the_pictures_that_the_unchanged_model_makes_of_them(student, checkpoint):
    """Though its decoder enlarges in another way."""
    backbone, z = opened(str(checkpoint), ""), torch.randn(2, 4, 8, 12)
    torch.testing.assert_close(student.pictures(z), backbone.decode(z), rtol=1e-4, atol=1e-5)
    assert sum(isinstance(one, Enlarging) for one in student.base[1].modules()) > 0


@torch.no_grad()
def test_pictures_of_other_sizes(student):
    x = torch.rand(1, 3, 48, 32) * 2 - 1
    assert student(x, torch.tensor([0]), torch.ones(1)).shape == x.shape
    assert torch.equal(student.noise_like(torch.zeros(1, 4, 12, 8))[..., 8:, :], student.noise[..., :4, :])


def test_a_folder_has_the_changes_alone(student, tmp_path, checkpoint):
    save_student(student, tmp_path / "one", "card")
    config = json.loads((tmp_path / "one/config.json").read_text())
    assert config["model_sha256"] == student.model_sha256 != ""
    again = open_student(tmp_path / "one")
    x, direction, _ = asked()
    with torch.no_grad():
        wanted = student.eval()(x[:1], direction[:1], torch.ones(1)).clamp(-1, 1)
    torch.testing.assert_close(again.edited(x[:1], 0, 1.0)[0], wanted, rtol=0, atol=2e-2)  # saved in half precision
    own = sum(one.numel() for one in [*student.parameters(), student.texts])
    assert (tmp_path / "one/model.safetensors").stat().st_size < 2 * own + 50_000  # names and shapes
    (tmp_path / "one/config.json").write_text(json.dumps(config | {"model_sha256": "0" * 64}))
    with pytest.raises(ValueError, match="^This student changes another version of .* than is here"):
        open_student(tmp_path / "one")


def test_a_gain_is_of_all_directions_or_of_each(checkpoint):
    def edited(gain):
        torch.manual_seed(0)
        network = OneStep(WAYS, PROMPTS, str(checkpoint), rank=3, gain=gain).eval()
        with torch.no_grad():
            return network(*asked())

    apart, first, second = edited([0.7, 1.4]), edited(0.7), edited(1.4)
    torch.testing.assert_close(apart, torch.stack([first[0], second[1]]))
    assert not torch.allclose(first, second, atol=1e-3)
    with pytest.raises(ValueError, match="of 2 directions has 3 gains"):
        edited([1.0, 1.0, 1.0])


@torch.no_grad()
def test_a_bias_of_the_mask_is_of_its_logits(student, checkpoint):
    """-1.5 for cat -> dog is what subtracting it from the logits of that photograph gives; the other is as it was."""
    x, direction, _ = asked()
    student.biases.copy_(torch.tensor([-1.5, 0.0]))
    _, shown = student.edited(x, direction, torch.ones(2))
    where = student.changed(student.latents(x), direction)[1]
    for k, bias in enumerate((-1.5, 0.0)):
        m = ((torch.sigmoid(where[k] + bias) - 0.25) / 0.5).clamp(0, 1)
        torch.testing.assert_close(
            shown[k], torch.nn.functional.interpolate(m[None], scale_factor=4.0, mode="bilinear")[0]
        )
    with pytest.raises(ValueError, match="of 2 directions has 1 biases of its mask; give one each"):
        OneStep(WAYS, PROMPTS, str(checkpoint), rank=3, mask_bias=[0.0])
    assert OneStep(WAYS, PROMPTS, str(checkpoint), rank=3, mask_bias=-1.0).biases.tolist() == [-1.0, -1.0]


def test_no_model_is_fetched_because_a_student_names_it(student, tmp_path, checkpoint, monkeypatch):
    save_student(student, tmp_path / "one", "card")
    path = tmp_path / "one/config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"model": "somebody/model"}))
    monkeypatch.setattr("zeroshift.distillation.base.find_checkpoint", lambda *_: 1 / 0)
    with pytest.raises(ValueError, match="changes somebody/model, which is not here; say where it is"):
        open_student(tmp_path / "one")
    monkeypatch.undo()
    assert open_student(tmp_path / "one", model=checkpoint).directions == [("cat", "dog"), ("dog", "cat")]
    assert open_editor(tmp_path / "one", beside=checkpoint).student.directions == [("cat", "dog"), ("dog", "cat")]
    with pytest.raises(ValueError, match="There is no folder .*elsewhere"):
        open_editor(tmp_path / "one", beside=tmp_path / "elsewhere")
    for wrong in (1.0, -0.5, 1e308):
        path.write_text(json.dumps(config | {"timestep": wrong}))
        with pytest.raises(ValueError, match="damaged.* from 0 to below 1"):
            open_student(tmp_path / "one")


def test_a_student_whose_model_moved_is_told_where_it_is(student, tmp_path, checkpoint, capsys):
    moved, out = tmp_path / "moved", tmp_path / "edited.png"
    shutil.copytree(checkpoint, tmp_path / "first")
    network = OneStep(WAYS, PROMPTS, str(tmp_path / "first"), rank=3)
    save_student(network, tmp_path / "one", "card")
    (tmp_path / "first").rename(moved)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)).save(tmp_path / "cat.png")
    words = ("edit", tmp_path / "cat.png", "--student", tmp_path / "one", "--target", "dog", "-o", out)
    nested = (*words[:-1], tmp_path / "folder/edited.png")
    refused(call(capsys, *nested), 2, "which is not here", "say where it is with --model")
    refused(call(capsys, *nested, "--model", tmp_path / "nowhere"), 2, "There is no folder", "nowhere")
    assert not (tmp_path / "folder").exists()
    assert call(capsys, *words, "--model", moved).code == 0
    again = call(capsys, "redo", out, "--student", tmp_path / "one", "--model", moved, "-o", tmp_path / "again.png")
    assert again.code == 0 and (tmp_path / "again.png").read_bytes() == out.read_bytes()
    kept = load_file(tmp_path / "one/model.safetensors")
    assert kept.keys() == network.state_dict().keys()
    assert all(one.dtype == torch.float16 for one in kept.values())


def test_edits_of_whole_pictures_teach_no_mask():
    where = torch.tensor([[[[2.0, -2.0]]], [[[2.0, -2.0]]]])
    masks = torch.tensor([[[[1.0, 1.0]]], [[[1.0, 0.0]]]])
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(where[1:], masks[1:])
    torch.testing.assert_close(mask_loss(where, masks), wanted)
    assert mask_loss(where[:1], masks[:1]) == 0


def test_guidance_is_the_difference_of_what_the_unchanged_model_takes_for_the_clean_latents(checkpoint, folders):
    """For epsilon-prediction x0 = (x - sigma eps) / alpha, so it is sigma / alpha (eps_target - eps_source)."""
    examples, options = open_examples(folders), DistillOptions(architecture="one-step", base=str(checkpoint), rank=3)
    stage, backbone = stage_of(examples, options, {}), opened(str(checkpoint), "")
    z, direction = backbone.encode(asked()[0]), torch.tensor([1, 0])
    torch.manual_seed(2)
    found = stage.away(z, direction)
    torch.manual_seed(2)
    timesteps, noise = torch.randint(200, 600, (2,)), torch.randn_like(z)
    alpha_bar = backbone.scheduler.alphas_cumprod[timesteps][:, None, None, None]
    noised = alpha_bar.sqrt() * z + (1 - alpha_bar).sqrt() * noise
    cat_dog = [backbone.unet(noised, timesteps, backbone.embed([text] * 2).tokens).sample for text in PROMPTS[::-1]]
    apart = ((1 - alpha_bar) / alpha_bar).sqrt() * (cat_dog[1] - cat_dog[0])
    torch.testing.assert_close(found, apart * torch.tensor([-1.0, 1.0])[:, None, None, None], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("unpaired", [0.0, 0.5])
def test_guidance_pulls_latents_towards_what_the_unchanged_model_takes_for_the_target(
    unpaired, checkpoint, folders, monkeypatch
):
    """In a training step that has no other loss: down its slope latents go from source to target, also unpaired."""
    examples = open_examples(folders)
    alone = {"unpaired": unpaired, "pixels": 0.0, "mask": 0.0, "features": 0.0, "adversary": 0.0, "guidance": 5.0}
    options = DistillOptions(architecture="one-step", base=str(checkpoint), rank=3, **alone)
    stage, backbone, asked_for, losses = stage_of(examples, options, {}), opened(str(checkpoint), ""), [], []
    read, clean = stage.latents.read, stage.clean
    batch = read([0, 4])
    z, directions = stage.with_unpaired(batch)
    assert len(z) == len(directions) == (3 if unpaired else 2)
    monkeypatch.setattr(stage.latents, "read", lambda _: batch)
    monkeypatch.setattr(stage, "with_unpaired", lambda _: (z, directions))
    monkeypatch.setattr(stage, "clean", lambda *given: asked_for.append((given[2], clean(*given))) or asked_for[-1][1])
    monkeypatch.setattr(stage, "updated", lambda _, student, loss, counted: losses.append(loss))
    monkeypatch.setattr(stage, "log_dict", lambda *_, **__: None)
    torch.manual_seed(3)
    stage.training_step(torch.tensor([0, 4]), 0)
    texts = backbone.embed(PROMPTS).tokens.float()  # a dog, a cat; directions are cat to dog, and back
    taken = {
        name: found
        for name, told in (("target", texts), ("source", texts.flip(0)))
        for text, found in asked_for
        if torch.equal(text, told[directions])
    }

    def laid() -> torch.Tensor:
        with torch.no_grad():
            edit, where = stage.student.changed(z, directions)
        return z + torch.cat([batch.masks, mask(where[2:])]) * (edit - z)

    before, parameters = laid(), list(stage.student.parameters())
    way = taken["target"] - taken["source"]
    torch.testing.assert_close(losses[0], -5 * (before * way).mean(), rtol=1e-4, atol=1e-6)
    slopes = torch.autograd.grad(losses[0], parameters, allow_unused=True)
    with torch.no_grad():
        for parameter, slope in zip(parameters, slopes, strict=True):
            if slope is not None:
                parameter -= 1e-3 * slope
    moved = laid() - before
    assert moved.abs().max() > 0
    assert (moved * way).sum() > 0


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("pairs")
    return [folder_of(root / "one", "cat", "dog"), folder_of(root / "two", "dog", "cat")]


def test_every_picture_is_encoded_once(student, folders, monkeypatch):
    examples = open_examples(folders)
    latents = LatentExamples(examples, reals_of(examples, {}), student)
    count, encode = [], student.latents
    monkeypatch.setattr(student, "latents", lambda x: count.append(len(x)) or encode(x))
    torch.manual_seed(0)
    batch = latents.read([0, 4] * 20)
    assert sum(count) == 2 * 2 * VERSIONS + 2 * len(latents.photographs)
    assert batch.directions.tolist() == [0, 1] * 20
    plain = examples.whole([4])
    wanted = torch.cat([encode(plain.photographs), encode(plain.edits)])
    torch.testing.assert_close(latents.pair(4)[0, :8].float(), wanted.flatten(0, 1), rtol=1e-2, atol=1e-2)
    assert latents.pair(4)[0, 8].tolist() == [[0.0] * 4 + [1.0] * 4] * 8
    latents.read([0, 4])
    assert sum(count) == 2 * 2 * VERSIONS + 2 * len(latents.photographs)


def test_photographs_without_an_edit_are_of_the_sources(folders, checkpoint, tmp_path):
    """Red ones of cats are drawn for cat -> dog alone; the other direction has those of its pairs."""
    Image.new("RGB", (32, 32), "red").save(tmp_path / "red.png")
    examples = open_examples(folders)
    options = DistillOptions(architecture="one-step", base=str(checkpoint), rank=3, adversary=0, unpaired=2.5)
    stage = stage_of(examples, options, {"cat": tmp_path})
    torch.manual_seed(0)
    batch = stage.latents.read([0, 4])
    z, directions = stage.with_unpaired(batch)
    assert z.shape == (7, 4, 8, 8) and directions.tolist()[:2] == batch.directions.tolist()
    assert torch.equal(z[:2], batch.photographs)
    red = (
        stage.student.latents(torch.tensor([1.0, -1.0, -1.0])[None, :, None, None].expand(1, 3, 32, 32)).half().float()
    )
    assert set(directions.tolist()[2:]) == {0, 1}
    assert [torch.allclose(one, red[0], atol=1e-2) for one in z[2:]] == [n == 0 for n in directions.tolist()[2:]]
    none = stage_of(examples, replace(options, unpaired=0.0), {}).with_unpaired(batch)
    assert torch.equal(none[0], batch.photographs) and torch.equal(none[1], batch.directions)


def test_a_photograph_without_an_edit_is_taken_where_something_is_learned_of_it(folders, checkpoint):
    """By the guidance, or by the adversary from when there is one; then at least one, however few pairs there are."""
    examples = open_examples(folders)
    own = {"architecture": "one-step", "base": str(checkpoint), "rank": 3, "unpaired": 0.2, "adversary_from": 0.5}
    for given, early, late in (
        ({"guidance": 0.0, "adversary": 0.0}, 0, 0),
        ({"guidance": 0.0, "adversary": 0.5}, 0, 1),
        ({"guidance": 5.0, "adversary": 0.0}, 1, 1),
    ):
        stage = stage_of(examples, DistillOptions(**own, **given), {})
        for progress, taken in ((0.4, early), (0.5, late)):
            stage.progress = progress
            z, directions = stage.with_unpaired(stage.latents.read([0]))
            assert len(z) == len(directions) == 1 + taken


def test_it_trains_towards_its_teacher(folders, checkpoint, tmp_path):
    """Edits are red on the right half, and there the latents come nearer to them."""
    options = DistillOptions(
        architecture="one-step",
        base=str(checkpoint),
        steps=60,
        pixels=2.0,
        batch=4,
        lr=1e-2,
        ema=0.9,
        adversary_from=0.9,
    )
    train(folders, tmp_path / "student", tmp_path / "run", options, lambda _: None)
    student, examples = open_student(tmp_path / "student"), open_examples(folders)
    assert student.directions == [("cat", "dog"), ("dog", "cat")]
    photograph, edit = examples.opened(0, 0.0)[None], examples.opened(0, 1.0)[None]
    network = student.network
    assert isinstance(network, OneStep)
    with torch.no_grad():
        new_one = OneStep(WAYS, PROMPTS, str(checkpoint), rank=3)
        z, wanted = network.latents(photograph), network.latents(edit)
        found, _ = network.changed(z, torch.tensor([0]))
        before, _ = new_one.changed(z, torch.tensor([0]))
    right = slice(4, None)
    assert (found - wanted)[..., right].abs().mean() < 0.7 * (before - wanted)[..., right].abs().mean()


def test_pairs_of_another_size_are_refused(folders, tmp_path):
    options = DistillOptions(architecture="one-step", steps=1)
    with pytest.raises(ValueError, match="pairs are of 32 pixels, and shipped makes pictures of 128"):
        train(folders, tmp_path / "student", tmp_path / "run", options, lambda _: None)
