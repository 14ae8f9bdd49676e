"""Turbo models: known by their scheduler and their name, and sampled and edited without guidance in few steps."""

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from diffusers import DDIMScheduler, StableDiffusionPipeline
from PIL import Image

from tests.shell import call
from tests.test_pure_noise import TURBO
from zeroshift import Photo, load
from zeroshift.asked.request import Request
from zeroshift.conditioning.task import make_task
from zeroshift.diffusion.noise import random_start
from zeroshift.doubts import Doubt
from zeroshift.image.tensors import to_pictures, to_tensor
from zeroshift.methods import METHODS
from zeroshift.running.from_noise import latent_shape

PHOTO = Image.new("RGB", (32, 32), "teal")


def copied(checkpoint: Path, folder: Path, came_from: str | None = None, **levels: object) -> Path:
    """The tiny checkpoint with SD-Turbo's scheduler, changed in ``levels``."""
    shutil.copytree(checkpoint, folder)
    (folder / "scheduler/scheduler_config.json").write_text(json.dumps({**TURBO, **levels}))
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "_name_or_path": came_from}))
    return folder


@pytest.fixture(scope="module")
def turbo(checkpoint, tmp_path_factory) -> Path:
    return copied(checkpoint, tmp_path_factory.mktemp("turbo") / "sd-turbo")


def test_its_methods_guide_nothing_and_take_four_steps(turbo):
    editor = load(turbo, device="cpu", cache=False)
    for kind in METHODS:
        method = editor.method(kind.name)
        assert (method.guidance_scale, method.steps) == (1.0, 4)
        assert editor.method(kind.name, paper=True).guidance_scale == kind().guidance_scale
    assert editor.method("ddim", {"guidance_scale": 2.0}).guidance_scale == 2.0
    result = editor.edit(PHOTO, "cat", "dog", method="ddim")
    assert result.recipe["options"]["guidance_scale"] == 1.0


def test_it_samples_as_diffusers_does_without_guidance(turbo):
    editor = load(turbo, device="cpu", cache=False)
    scheduler = DDIMScheduler.from_pretrained(turbo / "scheduler", clip_sample=False)
    unfiltered = {"safety_checker": None, "requires_safety_checker": False}
    pipeline = StableDiffusionPipeline.from_pretrained(turbo, scheduler=scheduler, **unfiltered)
    pipeline.set_progress_bar_config(disable=True)
    start = random_start(latent_shape(editor.backbone), [0])
    told = {"num_inference_steps": 4, "guidance_scale": 0.0, "height": 32, "width": 32, "latents": start}
    theirs, ours = pipeline("a cat", **told).images[0], editor.generate("a cat")
    assert pipeline.scheduler.timesteps.tolist() == [999, 749, 499, 249]
    assert np.abs(np.asarray(ours, int) - np.asarray(theirs, int)).max() <= 1


@pytest.mark.parametrize("steps", [3, 8])
def test_few_steps_of_edit_friendly_noise_return_the_photograph_and_edit_it(turbo, steps):
    editor = load(turbo, device="cpu", cache=False)
    options = {"steps": steps, "inversion": {"kind": "edit-friendly", "skip": 0.25, "noise_shift": 200}}
    photograph = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
    request = Request(make_task("cat", "dog"), editor.method("ddim", options))
    *_, done = editor.run([Photo.of(photograph)], [request], reconstruct=True)
    (coded,) = to_pictures(editor.backbone.decode(editor.backbone.encode(to_tensor([photograph]))))
    result = done.results[0][0]
    still, moved = (np.asarray(one, int) - np.asarray(coded, int) for one in (result.reconstruction, result.native))
    assert np.abs(still).max() <= 1 < np.abs(moved).max()


def test_the_command_line_samples_so(turbo, tmp_path, capsys):
    done = call(capsys, "generate", "a cat", "--model", str(turbo), "-o", str(tmp_path / "a.png"), "--json")
    recipe = json.loads(done.out)["recipe"]
    assert (recipe["steps"], recipe["guidance_scale"]) == (4, 1.0)


def test_a_copy_is_known_by_where_it_came_from(checkpoint, tmp_path):
    assert load(copied(checkpoint, tmp_path / "mine", "stabilityai/sd-turbo"), device="cpu").sampled.steps == 4


@pytest.mark.parametrize(
    ("name", "levels", "hint"),
    [
        ("mine", {}, True),  # the scheduler alone proves nothing
        ("a-turbo", {"timestep_spacing": "leading"}, False),
        ("a-turbo-v", {"prediction_type": "v_prediction"}, False),
    ],
)
def test_others_are_guided_as_ever(checkpoint, tmp_path, name, levels, hint):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", Doubt)
        editor = load(copied(checkpoint, tmp_path / name, **levels), device="cpu", cache=False)
    assert editor.sampled.guidance_scale == 5.0 and editor.method("ddim").guidance_scale > 1
    assert any("guidance_scale" in str(w.message) for w in told) == hint
