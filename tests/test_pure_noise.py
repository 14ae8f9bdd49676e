"""Checkpoints whose first sampling step starts from pure noise, alpha = 0: SD-Turbo's and zero-terminal-SNR spacing."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import diffusers
import pytest
import torch
from diffusers import DDIMScheduler

from tests.runs import STEPS, apart, clean, inverted, translated
from zeroshift.backbones import load_backbone
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.conditioning import EditDirection, RichPrompts
from zeroshift.control import ClipGuidance, Refinement, SamplingNoise, SecondOrder
from zeroshift.diffusion.schedule import Level
from zeroshift.inversion import DDIMInversion, DirectInversion, EditFriendlyInversion, NoisedStart
from zeroshift.methods import DDIM, METHODS, Method, StyleDiffusion
from zeroshift.running.from_noise import generate

EQUAL = 1e-10
SAID = {"timestep_spacing": "trailing", "rescale_betas_zero_snr": True}


@pytest.fixture(params=[False, True], ids=["to the first level", "to the clean latent"])
def pure(request, tiny_v) -> StableDiffusion:
    stated = DDIMScheduler.from_config(tiny_v.scheduler.config, **SAID, set_alpha_to_one=request.param)
    return replace(tiny_v, scheduler=stated)


def at(strength: float, chosen: Method) -> Method:
    conditioning = replace(chosen.conditioning, strength=strength)
    if isinstance(conditioning, (EditDirection, RichPrompts)):
        conditioning = replace(conditioning, sentences=20)
    return replace(chosen, steps=STEPS, conditioning=conditioning)


@pytest.mark.parametrize("pure", [False, pytest.param(True, marks=pytest.mark.slow)], indirect=True)
@pytest.mark.parametrize(
    "method",
    [pytest.param(m, marks=pytest.mark.slow) if m is StyleDiffusion else m for m in METHODS],
    ids=lambda m: m.name,
)
def test_every_method_edits_and_gives_the_photograph_back(pure, method: type[Method]):
    assert pure.schedule(STEPS).level(0) == Level(0, 1)
    edited = translated(pure, at(1, method()), clean(1)).targets[0]
    assert edited.isfinite().all() and apart(edited, clean(1)) > 1e-3
    exact = at(0, method(inversion=DirectInversion(offset_target=True)))
    assert apart(translated(pure, exact, clean(1)).targets[0], clean(1)) <= EQUAL


@pytest.mark.parametrize(
    "inversion",
    [
        DDIMInversion(grid="diffusers"),
        DDIMInversion(grid="source"),
        DDIMInversion(grid="official"),
        DDIMInversion(inversion_steps=20),
        EditFriendlyInversion(skip=0),
        NoisedStart(),
    ],
    ids=str,
)
def test_every_start_is_finite(pure, inversion):
    chosen = DDIM(steps=STEPS, inversion=inversion)
    trajectory = inverted(pure, chosen, clean(1))
    assert all(x.isfinite().all() for x in (*trajectory.latents, *trajectory.noise))
    assert translated(pure, chosen, clean(1)).targets[0].isfinite().all()


@pytest.mark.parametrize(
    "extra",
    [
        SamplingNoise(eta=1.0),
        SecondOrder(),
        ClipGuidance(),
        ClipGuidance(clip_gradient="full"),
        Refinement(refine="guidance", refine_last=1, refine_l2=0.0),
    ],
    ids=str,
)
def test_every_extra_is_finite(pure, extra):
    chosen = at(1, DDIM(extras=(extra,)))
    assert translated(pure, chosen, clean(1)).targets[0].isfinite().all()


def test_noise_alone_becomes_a_picture(pure):
    for steps in (1, 4):
        *_, end = generate(pure, ["a cat"], seeds=[0], steps=steps, guidance_scale=3.0)
        assert end.latents.isfinite().all()


TURBO = {
    "_class_name": "EulerDiscreteScheduler",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "timestep_spacing": "trailing",
    "trained_betas": None,
}
"""SD-Turbo's, as published"""
FILES = {
    "turbo": TURBO,
    "pndm": {**TURBO, "_class_name": "PNDMScheduler", "timestep_spacing": "leading", "steps_offset": 0},
    "no final alpha": {k: v for k, v in TURBO.items() if k != "set_alpha_to_one"},
    "no spacing": {k: v for k, v in TURBO.items() if k != "timestep_spacing"},
    "solver": {**TURBO, "_class_name": "DPMSolverMultistepScheduler", "timestep_spacing": "linspace"},
    "velocity": {**TURBO, **SAID, "_class_name": "DDIMScheduler", "prediction_type": "v_prediction"},
    "cosine": {**TURBO, "_class_name": "DDPMScheduler", "beta_schedule": "squaredcos_cap_v2"},
}


@pytest.mark.parametrize("name", FILES)
def test_the_file_is_honoured_as_by_diffusers(checkpoint, tmp_path, name):
    folder = Path(shutil.copytree(checkpoint, tmp_path / "copy"))
    (folder / "scheduler/scheduler_config.json").write_text(json.dumps(FILES[name]))
    own = getattr(diffusers, FILES[name]["_class_name"]).from_pretrained(folder / "scheduler")
    theirs = DDIMScheduler.from_config(own.config, clip_sample=False)  # as the pipeline has it
    theirs.set_timesteps(4)
    backbone = load_backbone(folder, device="cpu")
    schedule = backbone.schedule(4)
    assert schedule.timesteps == tuple(theirs.timesteps.tolist())
    assert name != "turbo" or schedule.timesteps == (999, 749, 499, 249)
    out, x = torch.randn(2, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    for i, t in enumerate(schedule.timesteps):
        ours, wanted = schedule.advance(x, out, i), theirs.step(out, t, x).prev_sample
        assert torch.allclose(ours, wanted, rtol=1e-5, atol=1e-5), i
        x = ours
