"""The trainer: a whole run at tiny size, resumption, and the parts it is made of."""

import csv
import random

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from torch.optim.swa_utils import AveragedModel

from zeroshift.backbones import load_backbone
from zeroshift.training import autoencoder, clip, denoiser
from zeroshift.training.captions import close_up, vary
from zeroshift.training.loop import Batches, Pace, StageOptions, ramped_average
from zeroshift.training.tokenizer import train_tokenizer
from zeroshift.training.train import Job, Material, TrainOptions, balanced, train, with_close_ups


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eight captioned 64 x 64 pictures: red cats and blue dogs."""
    root = tmp_path_factory.mktemp("pictures")
    with (root / "captions.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "caption", "species"])
        for k in range(8):
            species = "cat" if k % 4 else "dog"
            noise = np.random.default_rng(k).integers(0, 60, (64, 64, 3))
            noise[..., 0 if species == "cat" else 2] += 150
            Image.fromarray(noise.astype(np.uint8)).save(root / f"{k}.png")
            table.writerow([f"{k}.png", f"a photo of a {species}", species])
    return root


def test_captions_vary_and_keep_their_noun():
    choice = random.Random(0)
    varied = {vary("a photo of a tabby cat", choice) for _ in range(300)}
    assert len(varied) > 100 and all("cat" in text for text in varied)
    assert any("tabby" not in text for text in varied) and "a photo of a tabby cat" in varied
    assert vary("two boats at sea", choice) == "two boats at sea"
    assert close_up("a photo of an orange cat") == "a close-up photo of an orange cat"
    assert vary(close_up("a photo of a cat"), choice) == "a close-up photo of a cat"


def test_tokenizer_survives_the_disk_and_pads_with_its_end(tmp_path):
    tokenizer = train_tokenizer(["a photo of a cat", "a photo of a dog"] * 4, 300, 12)
    ids = clip.tokenize(tokenizer, ["a cat", ""])
    assert ids.shape == (2, 12)
    assert ids[1].tolist() == [tokenizer.bos_token_id] + [tokenizer.eos_token_id] * 11
    tokenizer.save_pretrained(tmp_path)
    assert clip.tokenize(type(tokenizer).from_pretrained(tmp_path), ["a cat", ""]).equal(ids)


def test_batches_depend_on_seed_and_step_alone():
    weights = torch.tensor([1.0, 1.0, 0.0, 2.0])
    walk = iter(Batches(weights, 64, 7))
    first, second = next(walk), next(walk)
    assert next(iter(Batches(weights, 64, 7, start=1))).equal(second) and not first.equal(second)
    assert 2 not in first


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


def test_classes_are_balanced_and_close_ups_share_the_draws():
    class Row:
        def __init__(self, value):
            self.labels = {"species": value}

    weights = balanced([Row("cat"), Row("cat"), Row("cat"), Row("dog")], "species")
    assert weights[:3].sum() == pytest.approx(weights[3].item())
    pictures = torch.arange(4 * 3 * 10 * 10).view(4, 3, 10, 10).to(torch.uint8)
    enlarged = torch.arange(4 * 3 * 14 * 14).view(4, 3, 14, 14).to(torch.uint8)
    more = with_close_ups(Material(pictures, ["a photo of a cat"] * 4, weights), enlarged, 0.25)
    assert more.pictures.shape == (8, 3, 10, 10) and more.captions[5] == "a close-up photo of a cat"
    assert (more.weights[4:].sum() / more.weights.sum()).item() == pytest.approx(0.25)


def test_velocity_target_is_the_schedulers():
    schedule = denoiser.scheduler()
    x0, noise = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8)
    t = torch.tensor([10, 900])
    alpha, sigma = (
        (schedule.alphas_cumprod[t] ** 0.5).view(-1, 1, 1, 1),
        ((1 - schedule.alphas_cumprod[t]) ** 0.5).view(-1, 1, 1, 1),
    )
    torch.testing.assert_close(schedule.get_velocity(x0, noise, t), alpha * noise - sigma * x0)


@pytest.mark.slow
def test_a_whole_training_makes_a_model_that_loads_and_goes_on_after_a_kill(folder, tmp_path):
    options = TrainOptions(
        size=32, autoencoder_steps=3, clip_steps=3, half_steps=3, denoiser_steps=3, batch=2, precision="fp32"
    )
    said: list[str] = []
    train(folder, tmp_path / "model", Job(options, tmp_path / "run", None, said.append))
    pipeline = StableDiffusionPipeline.from_pretrained(tmp_path / "model", local_files_only=True)
    assert pipeline("a cat", num_inference_steps=2, output_type="np").images.shape == (1, 32, 32, 3)
    backbone = load_backbone(tmp_path / "model")
    assert backbone.size == 32 and backbone.schedule(10).prediction == "v_prediction"

    # as if it had been killed in the last stage: finished stages are kept, the last one goes on
    (tmp_path / "run/denoiser/done/config.json").unlink()
    (tmp_path / "run/denoiser/done/diffusion_pytorch_model.safetensors").unlink()
    (tmp_path / "run/denoiser/done").rmdir()
    longer = TrainOptions(**{**options.__dict__, "denoiser_steps": 5})
    train(folder, tmp_path / "longer", Job(longer, tmp_path / "run", None, said.append))
    kept = torch.load(tmp_path / "run/denoiser/last.ckpt", weights_only=True)
    assert kept["global_step"] == 5
    assert sum("autoencoder: trained" in line for line in said) == 1

    # starting from saved weights keeps the text tower
    train(folder, tmp_path / "again", Job(options, tmp_path / "run2", tmp_path / "longer", said.append))
    first, again = (load_backbone(tmp_path / name).text_encoder.state_dict() for name in ("longer", "again"))
    assert all(first[key].equal(again[key]) for key in first)
