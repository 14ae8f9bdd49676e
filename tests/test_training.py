"""The parts that the trainer is made of."""

from dataclasses import replace
from itertools import islice

import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from zeroshift.miniature.training import autoencoder, clip
from zeroshift.miniature.training.dataset import Material
from zeroshift.miniature.training.export import check_model
from zeroshift.miniature.training.job import PARTS, SHARES, Job, TrainOptions
from zeroshift.miniature.training.loop import Batches, Pace, Stage, StageOptions, fit, ramped_average
from zeroshift.miniature.training.tokenizer import train_tokenizer
from zeroshift.miniature.training.train import cached_latents, trained_autoencoder
from zeroshift.sentences import template_sentences


def test_tokenizer_survives_the_disk_and_pads_with_its_end(tmp_path):
    tokenizer = train_tokenizer(["a photo of a cat", "a photo of a dog"] * 4, 300, 12)
    ids = clip.tokenize(tokenizer, ["a cat", ""])
    assert ids.shape == (2, 12)
    assert ids[1].tolist() == [tokenizer.bos_token_id] + [tokenizer.eos_token_id] * 11
    tokenizer.save_pretrained(tmp_path)
    assert clip.tokenize(type(tokenizer).from_pretrained(tmp_path), ["a cat", ""]).equal(ids)


def test_the_same_sentences_make_the_same_tokenizer():
    sentences = template_sentences("cat", 200)
    assert len({str(sorted(train_tokenizer(sentences, 400, 16).get_vocab().items())) for _ in range(4)}) == 1


def test_batches_depend_on_seed_and_step_alone():
    weights = torch.tensor([1.0, 1.0, 0.0, 2.0])
    walk = iter(Batches(weights, 64, 7))
    first, second = next(walk), next(walk)
    assert next(iter(Batches(weights, 64, 7, start=1))).equal(second) and not first.equal(second)
    assert 2 not in first


def test_processes_share_the_batches_of_one():
    weights = torch.ones(1000)
    (one,) = walks(weights, 1, 6)
    first, second = walks(weights, 2, 3)
    assert all(a.equal(b) for a, b in zip(one[::2] + one[1::2], first + second, strict=True))
    assert not any(a.equal(b) for a in first for b in second)


def walks(weights, processes, count):
    return [list(islice(Batches(weights, 8, 7, rank, processes), count)) for rank in range(processes)]


@pytest.mark.parametrize("init", [None, "model"])
@pytest.mark.parametrize("half_steps", [0, 5])
def test_the_stages_that_run_share_all_of_the_time(tmp_path, init, half_steps):
    job = Job(TrainOptions(minutes=10, half_steps=half_steps), tmp_path, init and tmp_path / init, print)
    minutes = {name: job.stage(name).minutes for name in job.stages}
    assert sum(minutes.values()) == pytest.approx(10)
    assert minutes["denoiser"] / minutes["autoencoder"] == pytest.approx(SHARES["denoiser"] / SHARES["autoencoder"])


def test_parts_share_the_time_with_the_stages(tmp_path):
    job = Job(TrainOptions(minutes=100), tmp_path, None, print, parts=tuple(PARTS))
    stages, parts = [job.stage(name).minutes for name in job.stages], [job.limit(name) for name in job.parts]
    assert sum(stages) + sum(parts) == pytest.approx(100) and sum(parts) == pytest.approx(25, abs=1)
    assert stages[0] / stages[1] == pytest.approx(SHARES["autoencoder"] / SHARES["decoder"])
    fewer = replace(job, parts=("classifier",))
    assert sum(fewer.stage(name).minutes for name in fewer.stages) + fewer.limit("classifier") == pytest.approx(100)
    endless = replace(job, options=TrainOptions())
    assert endless.stage("clip").minutes is None and endless.limit("restorer") is None


def test_a_kept_autoencoder_takes_no_time(tmp_path):
    job = Job(TrainOptions(minutes=10, autoencoder_steps=0), tmp_path, tmp_path / "model", print)
    assert job.stages == ("denoiser",) and job.stage("denoiser").minutes == 10


@pytest.mark.parametrize(("option", "asked"), [("factor", 4), ("latent_channels", 6)])
def test_saved_weights_of_another_shape_are_refused(tmp_path, option, asked):
    for part in ("vae", "unet", "text_encoder", "image_encoder", "tokenizer"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "config.json").write_text('{"block_out_channels": [8, 8, 8, 8], "latent_channels": 8}')
    check_model(tmp_path, factor=8, latent_channels=8)
    changed = {"factor": 8, "latent_channels": 8, option: asked}
    with pytest.raises(ValueError, match=f"was trained with `{option}` 8, not {asked}; give `{option}` 8 with `init`"):
        check_model(tmp_path, **changed)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("option", ["minutes", "lr", "consistency", "equivariance"])
def test_numbers_that_are_none_are_refused(option, value):
    with pytest.raises(ValueError, match=option):
        TrainOptions(**{option: value})


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_seeds_out_of_range_are_refused(seed):
    with pytest.raises(ValueError, match="seed"):
        TrainOptions(seed=seed)


def test_pace_rises_stays_and_falls():
    options = StageOptions(steps=100, lr=1.0, warmup=10, cooldown=0.2)

    class Trainer:
        def __init__(self, step):
            self.global_step = step
            self.optimizers = [torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)]

    def rate(step):
        trainer, stage = Trainer(step), Steep(options)
        Pace(options, None).on_train_batch_start(trainer, stage, None, 0)
        assert stage.progress == step / 100
        return trainer.optimizers[0].param_groups[0]["lr"]

    assert rate(0) == pytest.approx(0.1) and rate(50) == 1.0
    assert rate(90) == pytest.approx(0.5) and rate(99) == pytest.approx(0.05)


def test_average_is_the_exponential_one_with_a_short_start():
    model = torch.nn.Linear(1, 1, bias=False)
    averaged = AveragedModel(model, multi_avg_fn=ramped_average(0.6))
    values, expected = [1.0, 3.0, -2.0, 5.0, 4.0, 8.0], None
    for count, value in enumerate(values):
        model.weight.data.fill_(value)
        averaged.update_parameters(model)
        decay = min(0.6, (1 + count) / (10 + count))
        expected = value if expected is None else decay * expected + (1 - decay) * value
    assert averaged.module.weight.item() == pytest.approx(expected)


def test_standardised_latents_decode_to_the_same_pictures():
    torch.manual_seed(0)
    model = autoencoder.build(32, (8, 8, 8)).eval()
    pictures = torch.randint(0, 256, (16, 3, 32, 32), dtype=torch.uint8)
    before = model.decode(autoencoder.encode(model, pictures)).sample
    autoencoder.standardise(model, pictures)
    latents = autoencoder.encode(model, pictures)
    assert latents.mean((0, 2, 3)).abs().max() < 1e-4 and (latents.std((0, 2, 3)) - 1).abs().max() < 1e-4
    torch.testing.assert_close(model.decode(latents).sample, before, atol=1e-4, rtol=1e-4)


class Steep(Stage):
    """A weight whose loss is very steep; plain steps are as long as its gradient."""

    def __init__(self, options):
        super().__init__()
        self.weight, self.options = torch.nn.Parameter(torch.zeros(4)), options

    def training_step(self, indices, _):
        return 1e6 * self.weight.sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1.0)


def test_steep_losses_take_no_long_steps(tmp_path):
    """One plain step with a learning rate of 0.5 is as long as that: the gradient of 2e6 was cut to 1."""
    stage = Steep(StageOptions(steps=1, batch=2, lr=0.5, ema=0.0, warmup=1, cooldown=0.0))
    fit(stage, torch.ones(4), options=stage.options, folder=tmp_path, seed=0, precision="fp32")
    assert stage.weight.norm().item() == pytest.approx(0.5, rel=1e-5)


def test_latents_are_standardised_as_they_are_drawn(tmp_path):
    """Bright pictures that are never drawn leave the statistics of the dark ones alone."""
    torch.manual_seed(0)
    dark, bright = (torch.randint(low, low + 60, (8, 3, 32, 32), dtype=torch.uint8) for low in (0, 195))
    weights = torch.tensor([1.0, 0.0]).repeat_interleave(8)
    material = Material(torch.cat([dark, bright]), ["a cat"] * 16, weights)
    options = TrainOptions(size=32, factor=4, latent_channels=4, autoencoder_steps=1, precision="fp32")
    model = trained_autoencoder(material, Job(options, tmp_path, None, lambda line: None))
    latents = autoencoder.encode(model, dark)
    # 1000 draws of 8 pictures differ from the even mean by a few hundredths of what the pictures differ by
    assert latents.mean((0, 2, 3)).abs().max() < 0.1 and (latents.std((0, 2, 3)) - 1).abs().max() < 0.1


def test_kept_latents_are_those_of_the_pictures_and_the_autoencoder(tmp_path):
    torch.manual_seed(0)
    first, second = (autoencoder.build(32, (8, 8, 8)).eval() for _ in range(2))
    pictures, path = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8), tmp_path / "half.safetensors"
    made = cached_latents(first, pictures, path)
    written = path.stat().st_mtime_ns
    assert made.shape == (2, 3, 4, 8, 8) and cached_latents(first, pictures, path).equal(made)
    assert path.stat().st_mtime_ns == written
    assert not cached_latents(second, pictures, path).equal(made)
    assert cached_latents(first, pictures.flip(0), path)[:, 0].allclose(made[:, 2], atol=1e-5)
