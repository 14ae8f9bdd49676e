"""What the stages of the trainer learn from: each loss against its terms written out."""

import random
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from diffusers.training_utils import compute_snr

from zeroshift.miniature.training import autoencoder, clip, denoiser
from zeroshift.miniature.training.augmentation import cropped
from zeroshift.miniature.training.captions import scene_of, vary
from zeroshift.miniature.training.loop import StageOptions
from zeroshift.miniature.training.tokenizer import train_tokenizer
from zeroshift.miniature.vocabulary import Scene


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_autoencoder_loss_is_the_errors_logarithm_their_areas_colour_and_the_divergence():
    """Against each term written out, for the same draws in the same order."""
    torch.manual_seed(0)
    model = autoencoder.build(32, (8, 8, 8))
    pictures = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8)
    stage = autoencoder.AutoencoderStage(model, pictures, StageOptions())
    indices = torch.tensor([3, 0, 3])
    torch.manual_seed(1)
    loss = stage.training_step(indices, 0)
    torch.manual_seed(1)
    torch.randint(1, (2,))  # the place of the detail, which these small pictures leave no choice
    mirrored = (torch.rand(3, 1, 1, 1) < 0.5).flatten().tolist()
    assert set(mirrored) == {True, False}
    x = torch.stack([(p.flip(-1) if m else p) / 127.5 - 1 for p, m in zip(pictures[indices], mirrored, strict=True)])
    mean, logvar = model.quant_conv(model.encoder(x)).chunk(2, 1)
    difference = model.decode(mean + (logvar / 2).exp() * torch.randn(mean.shape)).sample - x
    error = sum(0.0065 * torch.log((one**2).mean() + 0.001) for one in difference) / 3
    areas = difference.unfold(2, 8, 8).unfold(3, 8, 8).mean((4, 5))  # (3, 3, 4, 4)
    colour = areas.var(1, correction=0).mean()
    divergence = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()
    torch.testing.assert_close(loss, error + 5 * colour + 1e-5 * divergence)


def test_latents_at_half_their_size_are_asked_to_be_the_picture_at_half_its():
    torch.manual_seed(0)
    model = autoencoder.build(32, (8, 8, 8))
    stage = autoencoder.AutoencoderStage(model, torch.empty(0), StageOptions(), equivariance=0.5)
    latents, x = torch.randn(2, 4, 8, 8), torch.rand(2, 3, 32, 32)
    seen = set()
    for seed in range(8):
        torch.manual_seed(seed)
        found = stage.smaller(latents, x)
        torch.manual_seed(seed)
        mirrored = (torch.rand(()) < 0.5).item()
        z, y = (latents.flip(3), x.flip(3)) if mirrored else (latents, x)
        small = model.decode(F.interpolate(z, scale_factor=0.5, mode="area")).sample
        torch.testing.assert_close(found, F.mse_loss(small, F.interpolate(y, scale_factor=0.5, mode="area")))
        seen.add(mirrored)
    assert seen == {True, False}


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_equivariance_is_added_with_its_weight():
    torch.manual_seed(0)
    model = autoencoder.build(32, (8, 8, 8))
    stage = autoencoder.AutoencoderStage(
        model, torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8), StageOptions()
    )
    losses = []
    for stage.equivariance in (0.0, 1.0, 3.0):
        torch.manual_seed(1)
        losses.append(stage.training_step(torch.tensor([1, 2]), 0).item())
    plain, once, thrice = losses
    assert once > plain and thrice - plain == pytest.approx(3 * (once - plain), rel=1e-4)


def test_details_are_whole_squares_at_one_place_and_small_pictures_stay():
    row, column = torch.meshgrid(torch.arange(7), torch.arange(7), indexing="ij")
    pictures = torch.stack([row, column, row + column])[None].repeat(2, 1, 1, 1)
    torch.manual_seed(0)
    places = set()
    for _ in range(200):
        cut = autoencoder.detail(pictures, 5)
        y, x = cut[0, 0, 0, 0].item(), cut[0, 1, 0, 0].item()
        assert cut.equal(pictures[..., y : y + 5, x : x + 5])
        places.add((y, x))
    assert places == {(y, x) for y in range(3) for x in range(3)}
    assert autoencoder.detail(pictures, 9).equal(pictures)


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_contrastive_loss_takes_pictures_of_one_scene_as_positives():
    """Against both directions' cross-entropies written out, for the same draws in the same order."""
    torch.manual_seed(0)
    a, b = Scene("black cat", background="green"), Scene("black cat")
    scenes = [replace(a), "two boats", b, a]
    tokenizer = train_tokenizer(["a photo of a black cat on a green background", "two boats"], 300, 16)
    model = clip.build(tokenizer, 32, width=32, layers=1).eval()
    pictures = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    stage = clip.ClipStage(model, tokenizer, pictures=pictures, scenes=scenes, options=StageOptions())
    torch.manual_seed(1)
    loss = stage.training_step(torch.tensor([3, 1, 0, 2]), 0)  # the scenes a, two boats, a, b
    torch.manual_seed(1)
    choice = random.Random(int(torch.randint(2**31, ())))
    texts = [vary(scene, choice, clip.WHOLE) for scene in (a, "two boats", a, b)]
    x = cropped(pictures[[3, 1, 0, 2]] / 127.5 - 1, 32, area=(0.65, 1.0), stretch=0.1, degrees=10.0)
    ids = clip.tokenize(tokenizer, texts)
    seen = F.normalize(model.visual_projection(model.vision_model(x).pooler_output))
    said = F.normalize(model.text_projection(model.text_model(ids).pooler_output))
    logits, wanted = model.logit_scale.exp() * seen @ said.T, [[0, 2], [1], [0, 2], [3]]
    ways = [
        way[k, fits].mean() for way in (logits.log_softmax(1), logits.T.log_softmax(1)) for k, fits in enumerate(wanted)
    ]
    torch.testing.assert_close(loss, -sum(ways) / 8)


def test_whole_captions_say_all_that_sets_scenes_apart():
    choice, scene = random.Random(0), Scene("tabby cat", "dark", "green")
    texts = [vary(scene, choice, clip.WHOLE) for _ in range(300)]
    texts += [vary(replace(scene, medium="photo"), choice, clip.WHOLE) for _ in range(300)]
    assert all("tabby" in text and "green background" in text for text in texts)
    assert all("dark" in text or "dim" in text or "shade" in text for text in texts[:300])


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_denoiser_loss_is_the_schedulers_velocity_with_min_snr_weights():
    """Against diffusers' add_noise, get_velocity and compute_snr, for the same draws in the same order."""
    torch.manual_seed(0)
    captions = ["a photo of a cat", "a photo of a dog", "a photo of a tabby cat"]
    tokenizer = train_tokenizer(captions, 300, 12)
    text = clip.build(tokenizer, 32, width=32, layers=1).text_model
    model, latents = denoiser.build(8, 4, 32, (16, 32, 32)), torch.randn(2, 3, 4, 8, 8)
    scenes = [scene_of(caption) for caption in captions]
    stage = denoiser.DenoiserStage(
        model, text, tokenizer=tokenizer, latents=latents, scenes=scenes, options=StageOptions()
    )
    indices, schedule = torch.tensor([2, 0, 0, 1]), denoiser.scheduler()
    torch.manual_seed(1)
    loss = stage.training_step(indices, 0)
    torch.manual_seed(1)
    x0 = latents[torch.randint(2, (4,)), indices]
    noise = torch.randn(4, 4, 8, 8)
    t = (torch.sigmoid(0.3 + 1.3 * torch.randn(4)) * 1000).long()
    encoded = stage.text(indices)
    v = model(schedule.add_noise(x0, noise, t), t, encoded).sample
    snr = compute_snr(schedule, t)
    error = (v - schedule.get_velocity(x0, noise, t)).square().mean((1, 2, 3))
    torch.testing.assert_close(loss, (error * snr.clamp(max=5) / (snr + 1)).mean())
    stage.consistency = 0.3
    torch.manual_seed(1)
    more = stage.training_step(indices, 0)
    unlike = stage.unlike(schedule.add_noise(x0, noise, t), t, encoded, v)
    torch.testing.assert_close(more, loss + 0.3 * unlike)


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_noises_are_handed_out_before_they_are_added():
    """Latents that are a batch's own noises in another order have each its own taken away in full."""
    torch.manual_seed(0)
    tokenizer = train_tokenizer(["a photo of a cat"], 300, 12)
    text = clip.build(tokenizer, 32, width=32, layers=1).text_model
    indices = torch.tensor([2, 0, 1])
    torch.manual_seed(1)
    side, noise = torch.randint(2, (3,)), torch.randn(3, 4, 8, 8)
    latents = torch.zeros(2, 3, 4, 8, 8)
    latents[side, indices] = noise[[1, 2, 0]]
    stage = denoiser.DenoiserStage(
        denoiser.build(8, 4, 32, (16, 32, 32)),
        text,
        tokenizer=tokenizer,
        latents=latents,
        scenes=["a cat"] * 3,
        options=StageOptions(),
        immiscible=True,
    )
    seen = []
    stage.model.register_forward_pre_hook(lambda unet, given: seen.append(given[:2]))
    torch.manual_seed(1)
    stage.training_step(indices, 0)
    (x, t), alphas = seen[0], denoiser.scheduler().alphas_cumprod
    scale = (alphas[t].sqrt() + (1 - alphas[t]).sqrt())[:, None, None, None]
    torch.testing.assert_close(x, scale * noise[[1, 2, 0]])


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_a_schedule_down_to_no_signal_is_learned_to_its_end():
    """Against diffusers' rescaled schedule, for the same draws in the same order."""
    torch.manual_seed(0)
    captions = ["a photo of a cat", "a photo of a dog"]
    tokenizer = train_tokenizer(captions, 300, 12)
    text = clip.build(tokenizer, 32, width=32, layers=1).text_model
    model, latents = denoiser.build(8, 4, 32, (16, 32, 32)), torch.randn(2, 2, 4, 8, 8)
    stage = denoiser.DenoiserStage(
        model,
        text,
        tokenizer=tokenizer,
        latents=latents,
        scenes=[scene_of(caption) for caption in captions],
        options=StageOptions(),
        zero_snr=True,
    )
    schedule, indices = denoiser.scheduler(zero_snr=True), torch.tensor([0, 1] * 40)
    assert schedule.alphas_cumprod[-1] == 0
    schedule.set_timesteps(50)
    assert schedule.timesteps[0] == 999
    torch.manual_seed(1)
    loss = stage.training_step(indices, 0)
    torch.manual_seed(1)
    x0, noise = latents[torch.randint(2, (80,)), indices], torch.randn(80, 4, 8, 8)
    t = stage.timesteps(80)
    v = model(schedule.add_noise(x0, noise, t), t, stage.text(indices)).sample
    weight = (5 / compute_snr(schedule, t)).clamp(max=1)
    assert weight.min() < 1 and weight.max() == 1
    error = (v - schedule.get_velocity(x0, noise, t)).square().mean((1, 2, 3))
    torch.testing.assert_close(loss, (error * weight).mean())
    many = stage.timesteps(20_000)
    usual = torch.distributions.Normal(0.3, 1.3).cdf(torch.tensor(0.7).logit()).item()
    assert (many >= 700).float().mean().item() == pytest.approx(0.15 + 0.85 * (1 - usual), abs=0.02)
    assert many.max() >= 995 and stage.weights(torch.zeros(1)) == 1


def test_unlike_answers_at_both_ends_of_a_step_are_what_inversion_loses():
    """Against diffusers' own step of 50, and what solving that step for its start by the other answer misses."""
    torch.manual_seed(0)
    tokenizer = train_tokenizer(["a photo of a cat"], 300, 12)
    text = clip.build(tokenizer, 32, width=32, layers=1).text_model
    model = denoiser.build(8, 4, 32, (16, 32, 32)).eval()
    stage = denoiser.DenoiserStage(
        model,
        text,
        tokenizer=tokenizer,
        latents=torch.randn(2, 1, 4, 8, 8),
        scenes=[],
        options=StageOptions(),
        consistency=1.0,
    )
    schedule, tokens = denoiser.scheduler(), torch.randn(1, 12, 32)
    schedule.set_timesteps(50)
    for t in (1, 21, 401, 981):
        x, at = torch.randn(1, 4, 8, 8), torch.tensor([t])
        v = model(x, at, tokens).sample
        lower = schedule.step(v, t, x).prev_sample
        angle, below = (schedule.alphas_cumprod[k].double().sqrt().acos() for k in (t, max(t - 20, 0)))
        turn = angle - below
        returned = (lower + turn.sin() * model(lower.float(), at, tokens).sample) / turn.cos()
        missed = (50 * turn.cos() * (returned - x)).square().mean().float()
        torch.testing.assert_close(stage.unlike(x, at, tokens, v), missed, rtol=1e-3, atol=1e-6)
