"""The parts that the trainer is made of."""

from itertools import islice

import pytest
import torch
from diffusers.training_utils import compute_snr
from torch.optim.swa_utils import AveragedModel

from zeroshift.sentences import template_sentences
from zeroshift.training import autoencoder, clip, denoiser
from zeroshift.training.captions import scene_of
from zeroshift.training.job import SHARES, Job, TrainOptions
from zeroshift.training.loop import Batches, Pace, StageOptions, ramped_average
from zeroshift.training.tokenizer import train_tokenizer
from zeroshift.training.train import cached_latents


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
        trainer = Trainer(step)
        Pace(options, None).on_train_batch_start(trainer, None, None, 0)
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


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_denoiser_loss_is_the_schedulers_velocity_with_min_snr_weights():
    """Against diffusers' add_noise, get_velocity and compute_snr, for the same draws in the same order."""
    torch.manual_seed(0)
    captions = ["a photo of a cat", "a photo of a dog", "a photo of a tabby cat"]
    tokenizer = train_tokenizer(captions, 300, 12)
    text = clip.build(tokenizer, 32, width=32, layers=1).text_model
    model, latents = denoiser.build(8, 4, 32, (16, 32, 32)), torch.randn(2, 3, 4, 8, 8)
    stage = denoiser.DenoiserStage(model, text, tokenizer, latents, [scene_of(c) for c in captions], StageOptions())
    indices, schedule = torch.tensor([2, 0, 0, 1]), denoiser.scheduler()
    torch.manual_seed(1)
    loss = stage.training_step(indices, 0)
    torch.manual_seed(1)
    x0 = latents[torch.randint(2, (4,)), indices]
    noise = torch.randn(4, 4, 8, 8)
    t = (torch.sigmoid(0.3 + 1.3 * torch.randn(4)) * 1000).long()
    v = model(schedule.add_noise(x0, noise, t), t, stage.text(indices)).sample
    snr = compute_snr(schedule, t)
    error = (v - schedule.get_velocity(x0, noise, t)).square().mean((1, 2, 3))
    torch.testing.assert_close(loss, (error * snr.clamp(max=5) / (snr + 1)).mean())


def test_unlike_answers_at_both_ends_of_a_step_are_what_inversion_loses():
    """Against diffusers' own step of 50, and what solving that step for its start by the other answer misses."""
    torch.manual_seed(0)
    tokenizer = train_tokenizer(["a photo of a cat"], 300, 12)
    text = clip.build(tokenizer, 32, width=32, layers=1).text_model
    model = denoiser.build(8, 4, 32, (16, 32, 32)).eval()
    stage = denoiser.DenoiserStage(model, text, tokenizer, torch.randn(2, 1, 4, 8, 8), [], StageOptions(), 1.0)
    schedule, tokens = denoiser.scheduler(), torch.randn(1, 12, 32)
    schedule.set_timesteps(50)
    for t in (21, 401, 981):
        x, at = torch.randn(1, 4, 8, 8), torch.tensor([t])
        v = model(x, at, tokens).sample
        lower = schedule.step(v, t, x).prev_sample
        angle, below = (schedule.alphas_cumprod[k].double().sqrt().acos() for k in (t, t - 20))
        turn = angle - below
        returned = (lower + turn.sin() * model(lower.float(), at, tokens).sample) / turn.cos()
        missed = (50 * turn.cos() * (returned - x)).square().mean().float()
        torch.testing.assert_close(stage.unlike(x, at, tokens, v), missed, rtol=1e-3, atol=1e-6)


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
