"""Whole trainings at tiny size: they make a model, go on after a kill, and take no other for their own."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from functools import partial

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from safetensors.torch import load_file

from zeroshift.backbones import load_backbone
from zeroshift.loading import load
from zeroshift.miniature.quality.latents import upper_share
from zeroshift.miniature.training import average
from zeroshift.miniature.training.averages import written
from zeroshift.miniature.training.decoder import PACKAGES
from zeroshift.miniature.training.job import SHARES, Job, TrainOptions
from zeroshift.miniature.training.train import drawn, train

TINY = TrainOptions(
    size=32,
    factor=4,
    latent_channels=4,
    autoencoder_steps=1,
    decoder_steps=1,
    clip_steps=1,
    half_steps=1,
    denoiser_steps=2,
    batch=2,
    seed=2**31 - 1,
    precision="fp32",
    parts="none",
)


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


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    """A folder with a finished run and its model, and what was said."""
    root, said = tmp_path_factory.mktemp("trained"), []
    with pytest.MonkeyPatch.context() as patch:  # the thousand pictures that latents are measured on take long
        patch.setattr("zeroshift.miniature.training.train.drawn", partial(drawn, count=50))
        train(folder, root / "model", Job(TINY, root / "run", None, said.append))
    return root, said


def test_a_whole_training_makes_a_model_that_loads(trained):
    root, lines = trained
    assert [line for line in lines if line.endswith(": trained")] == [f"{name}: trained" for name in SHARES]
    (told,) = [line for line in lines if " dB on training pictures, " in line]
    share = upper_share(load_file(root / "run/denoiser.safetensors")["latents"][0])
    pipeline = StableDiffusionPipeline.from_pretrained(root / "model", local_files_only=True)
    assert f", {share:.0%} of its latents' energy" in told
    assert pipeline("a cat", num_inference_steps=2, output_type="np").images.shape == (1, 32, 32, 3)
    backbone = load_backbone(root / "model")
    assert backbone.size == 32 and backbone.schedule(10).prediction == "v_prediction"
    values = backbone.latent_channels * (32 // backbone.factor) ** 2
    step = 20 * values / (64 * 64 * 4)
    inversion = load(root / "model", device="cpu").method("pix2pix-zero").inversion
    assert (inversion.lambda_ac, inversion.lambda_kl) == (step, step)
    seen, said = backbone.clip.image_features(torch.zeros(1, 3, 32, 32)), backbone.clip.text_features(["a cat"])
    assert seen.shape == said.shape and (backbone.clip.mean, backbone.clip.deviation) == ((0.5, 0.5, 0.5),) * 2


@pytest.mark.slow
def test_a_training_goes_on_after_a_kill_between_saving_and_renaming(folder, trained, tmp_path):
    run, said = tmp_path / "run", []
    shutil.copytree(trained[0] / "run", run)
    for done, left in ((run / "denoiser/done", ".done.part"), (tmp_path / "model", ".model.part")):
        shutil.rmtree(done, ignore_errors=True)
        shutil.rmtree(run / "bare", ignore_errors=True)
        (done.parent / left).mkdir()
        (done.parent / left / "config.json").write_text("{")
    train(folder, tmp_path / "model", Job(replace(TINY, denoiser_steps=3, consistency=0.5), run, None, said.append))
    assert [line for line in said if line.endswith(": trained")] == ["denoiser: trained"]
    assert torch.load(run / "denoiser/last.ckpt", weights_only=True)["global_step"] == 3
    history = json.loads((run / "job.json").read_text())["changeable"]
    assert [(one["denoiser_steps"], one["consistency"]) for one in history] == [(2, 0), (3, 0.5)]
    assert not list(tmp_path.rglob("*.part"))
    assert (tmp_path / "model/model_index.json").is_file() and (run / "denoiser/done/config.json").is_file()


def test_another_training_is_not_taken_for_this_one(folder, trained, tmp_path):
    run, out = trained[0] / "run", tmp_path / "out"

    def refused(sentence, options=TINY, pictures=folder, **changes):
        with pytest.raises(ValueError, match=sentence):
            train(pictures, out, Job(options, **{"run": run, "init": None, "say": print, **changes}))
        assert not out.exists()

    refused("holds a training that differs in size, seed; name another `run`", replace(TINY, size=64, seed=1))
    refused("differs in init", init=trained[0] / "model")
    other = tmp_path / "pictures"
    shutil.copytree(folder, other)
    with (other / "captions.csv").open("a") as file:
        file.write("0.png,a photo of a fox,fox\n")
    refused("differs in captions", pictures=other)
    (tmp_path / "old/autoencoder").mkdir(parents=True)
    refused("no job.json describes", run=tmp_path / "old")
    refused("no column spezies to balance by", replace(TINY, balance="spezies"), run=tmp_path / "new")
    refused("`autoencoder_steps` 0 keeps", replace(TINY, autoencoder_steps=0), run=tmp_path / "new")
    other_shape = replace(TINY, latent_channels=8)
    refused("`latent_channels` 4, not 8", other_shape, run=tmp_path / "new", init=trained[0] / "model")
    refused("nowhere has no vae; start from the folder", run=tmp_path / "new", init=tmp_path / "nowhere")
    assert not (tmp_path / "new").exists()
    with pytest.raises(ValueError, match="model is not empty; name another folder"):
        train(folder, trained[0] / "model", Job(TINY, run, None, print))
    assert json.loads((run / "job.json").read_text())["size"] == 32


@pytest.mark.slow
def test_the_denoiser_alone_goes_on(folder, trained, tmp_path):
    options, said = replace(TINY, autoencoder_steps=0, denoiser_steps=1), []
    train(folder, tmp_path / "model", Job(options, tmp_path / "run", trained[0] / "model", said.append))
    assert [line for line in said if line.endswith(": trained")] == ["denoiser: trained"]
    before, after = (
        load_file(model / "vae/diffusion_pytorch_model.safetensors")
        for model in (trained[0] / "model", tmp_path / "model")
    )
    assert before.keys() == after.keys() and all(before[key].equal(after[key]) for key in before)


@pytest.mark.slow
def test_saved_weights_keep_their_text_tower_and_take_another_size(folder, trained, tmp_path):
    options = replace(TINY, size=64, denoiser_steps=1, close_ups=0)
    train(folder, tmp_path / "model", Job(options, tmp_path / "run", trained[0] / "model", print))
    first, second = load_backbone(trained[0] / "model"), load_backbone(tmp_path / "model")
    towers = [backbone.text_encoder.state_dict() for backbone in (first, second)]
    assert all(towers[0][key].equal(towers[1][key]) for key in towers[0])
    assert (first.size, second.size) == (32, 64)


@pytest.mark.slow
def test_a_model_of_another_average(folder, trained, tmp_path, capsys):
    """One that was kept gives its own weights back; a training that goes on does so with its averages.

    It has the other options that are off by default, too.
    """
    for name in PACKAGES:
        pytest.importorskip(name)
    others = {"immiscible": True, "alignment": 0.5, "zero_snr": False}
    options, run = replace(TINY, autoencoder_steps=0, denoiser_steps=5, snapshots=2, **others), tmp_path / "run"
    job = Job(options, run, trained[0] / "model", print)
    train(folder, tmp_path / "model", job)
    for done in ("denoiser/done", "bare"):
        shutil.rmtree(run / done)
    train(folder, tmp_path / "on", replace(job, options=replace(options, denoiser_steps=7)))
    steps = [profile.step for _, profile in written(run / "denoiser/averages")]
    assert steps == [2, 2, 4, 4, 5, 5, 6, 6, 7, 7]
    average.main([*map(str, (tmp_path / "on", tmp_path / "other")), "0.1", "--run", str(run)])
    assert "0.0% is missing" in capsys.readouterr().out
    made = load_file(tmp_path / "other/unet/diffusion_pytorch_model.safetensors")
    kept = load_file(run / "denoiser/averages/7-0.1.safetensors")
    assert made.keys() == kept.keys()
    assert all(torch.allclose(made[name].float(), kept[name].float(), atol=1e-3) for name in made)
    assert load_backbone(tmp_path / "other").size == 32
    configs = [json.loads((tmp_path / name / "unet/config.json").read_text()) for name in ("on", "other")]
    assert configs[0] == configs[1]
    for words, sentence in (
        (("on", "other", "0.1"), "other is not empty"),
        (("nowhere", "new", "0.1"), "nowhere has no unet"),
        (("on", "new", "0.5"), "The length 0.5 is that of no average"),
    ):
        with pytest.raises(SystemExit, match=sentence):
            average.main([str(tmp_path / words[0]), str(tmp_path / words[1]), words[2], "--run", str(run)])
    with pytest.raises(SystemExit, match="has no averages; train with `?--snapshots"):
        average.main([str(tmp_path / "on"), str(tmp_path / "new"), "0.1", "--run", str(trained[0] / "run")])
    assert not (tmp_path / "new").exists()


ENDLESS = """
import sys
from datetime import timedelta
from pathlib import Path
import torch
from tests.test_training_whole import TINY, Job, replace, train

torch.set_num_threads(1)
folder, root = map(Path, sys.argv[1:])
options = replace(TINY, denoiser_steps=10_000)
train(folder, root / "model", Job(options, root / "run", None, print, timedelta(seconds=1)))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_killed_training_goes_on_from_its_last_checkpoint(folder, tmp_path):
    last = tmp_path / "run/denoiser/last.ckpt"
    process = subprocess.Popen([sys.executable, "-c", ENDLESS, folder, tmp_path])
    try:
        while not last.exists():
            assert process.poll() is None
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    step = torch.load(last, weights_only=True)["global_step"]
    assert 0 < step < 10_000 and not (tmp_path / "model").exists()
    options, said = replace(TINY, denoiser_steps=step + 2), []
    train(folder, tmp_path / "model", Job(options, tmp_path / "run", None, said.append, timedelta(seconds=1)))
    assert [line for line in said if line.endswith(": trained")] == ["denoiser: trained"]
    assert torch.load(last, weights_only=True)["global_step"] == step + 2
    StableDiffusionPipeline.from_pretrained(tmp_path / "model", local_files_only=True)
