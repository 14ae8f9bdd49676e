"""Stable Diffusion XL: pictures from prompts, as diffusers' own pipeline makes them, and which folders are refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionXLPipeline
from PIL import Image

from tests.runs import apart
from tests.shell import call
from tests.tiny import WIDTH
from tests.tiny_xl import PROJECTED, WIDE, tiny_xl
from zeroshift import Editor, load
from zeroshift.backbones import load_backbone
from zeroshift.backbones.checkpoint import find_checkpoint
from zeroshift.backbones.sdxl import StableDiffusionXL
from zeroshift.conditioning.prompts import FixedPrompts
from zeroshift.control.base import Control
from zeroshift.diffusion.backbone import Identity, Unsupported
from zeroshift.diffusion.embedding import guidance_rows
from zeroshift.diffusion.noise import random_start
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.running.from_noise import latent_shape
from zeroshift.running.sampling import Branch, sample

PROMPTS, STEPS, SEED = ["a photo of a cat", "a dog with a hat"], 6, 3


@pytest.fixture(scope="module", params=[True, False], ids=["zeros", "encoded"])
def folder(request, tmp_path_factory) -> Path:
    return tiny_xl(tmp_path_factory.mktemp("xl") / "tiny-xl", zeros=request.param)


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    return tiny_xl(tmp_path_factory.mktemp("xl") / "tiny-xl")


@pytest.fixture(scope="module")
def editor(saved) -> Editor:
    return load(saved, device="cpu", precision="fp32")


def pipeline_of(folder: Path, dtype: torch.dtype) -> StableDiffusionXLPipeline:
    """Return diffusers' pipeline with its DDIM sampler."""
    pipeline = StableDiffusionXLPipeline.from_pretrained(folder, dtype=dtype, add_watermarker=False)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    return pipeline


def generated(pipeline: StableDiffusionXLPipeline, start: torch.Tensor, scale: float, kind: str, prompts=PROMPTS):
    height, width = (4 * side for side in start.shape[-2:])
    return pipeline(
        prompts,
        height=height,
        width=width,
        latents=start,
        num_inference_steps=STEPS,
        guidance_scale=scale,
        output_type=kind,
    ).images


@pytest.mark.parametrize("scale", [1.0, 5.0])
@torch.no_grad()
def test_sampling_is_diffusers_own(folder, scale):
    """In float64, levels too, wider than high: what differs is the order of sums."""
    pipeline = pipeline_of(folder, torch.float64)
    pipeline.scheduler.alphas_cumprod = pipeline.scheduler.alphas_cumprod.double()
    pipeline.scheduler.final_alpha_cumprod = pipeline.scheduler.alphas_cumprod[0]
    loaded = load_backbone(folder, device="cpu", precision="fp32")
    assert isinstance(loaded, StableDiffusionXL)
    backbone = StableDiffusionXL(
        Identity("tiny-xl", "0" * 64),
        pipeline.unet,
        pipeline.vae,
        (pipeline.text_encoder, pipeline.text_encoder_2),
        loaded.tokenizers,
        loaded.scheduler,
        loaded.zeros_for_empty,
    )
    start = random_start((4, 8, 12), [3, 4]).double()
    rows = guidance_rows(backbone.embed([""]).repeat(2), backbone.embed(PROMPTS), scale)
    trajectory = Trajectory(backbone.schedule(STEPS), (start,))
    *_, last = sample(backbone, trajectory, [Branch(FixedPrompts(rows, rows), Control())], reconstruct=False)
    assert apart(last.targets[0], generated(pipeline, start, scale, "latent")) <= 1e-10
    assert apart(backbone.decode(start), pipeline.vae.decode(start / pipeline.vae.config.scaling_factor).sample) == 0


@torch.no_grad()
def test_prompts_are_encoded_as_diffusers_does(folder):
    pipeline, backbone = pipeline_of(folder, torch.float32), load_backbone(folder, device="cpu", precision="fp32")
    theirs = pipeline.encode_prompt(PROMPTS, do_classifier_free_guidance=True)
    for text, tokens, pooled in ((PROMPTS, *theirs[::2]), ([""] * 2, *theirs[1::2])):
        ours = backbone.embed(text)
        assert ours.tokens.shape[-1] == WIDTH + WIDE and ours.pooled.shape[-1] == PROJECTED
        assert torch.equal(ours.tokens, tokens) and torch.equal(ours.pooled, pooled)


def test_a_folder_generates_through_the_editor(saved, editor):
    """In float32: pixels round to the same byte or its neighbour."""
    start = random_start(latent_shape(editor.backbone), [SEED])
    theirs = generated(pipeline_of(saved, torch.float32), start, 5.0, "pil", PROMPTS[:1])[0]
    ours = editor.generate(PROMPTS[0], seed=SEED, steps=STEPS)
    assert ours.size == theirs.size == (32, 32)
    assert np.abs(np.asarray(ours, int) - np.asarray(theirs, int)).max() <= 1
    assert np.asarray(ours).std() > 1
    other = editor.generate(PROMPTS[1], seed=SEED, steps=STEPS)
    assert np.asarray(other).tobytes() != np.asarray(ours).tobytes()
    assert editor.captioner is None


def test_the_command_line_generates_and_makes_it_again(saved, tmp_path, capsys):
    made = tmp_path / "cat.png"
    options = ("--model", saved, "--threads", "1", "-q")
    assert call(capsys, "generate", PROMPTS[0], "--steps", "2", "--output", made, *options).code == 0
    with Image.open(made) as picture:
        assert picture.size == (32, 32)
    again = call(capsys, "redo", made, "--output", tmp_path / "again.png", *options[:2], "-q")
    assert again.code == 0 and (tmp_path / "again.png").read_bytes() == made.read_bytes()


@pytest.fixture
def copy(saved, tmp_path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def rewrite(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


OTHERS = (
    "StableDiffusionXLInpaintPipeline",
    "StableDiffusionXLImg2ImgPipeline",
    "StableDiffusionXLInstructPix2PixPipeline",
    "StableDiffusion3Pipeline",
    "FluxPipeline",
    "StableUnCLIPPipeline",
    "StableDiffusionInstructPix2PixPipeline",
    "LatentConsistencyModelPipeline",
)


@pytest.mark.parametrize("pipeline", OTHERS)
def test_other_pipelines_are_refused_by_their_name(copy, pipeline):
    for weights in copy.rglob("*.safetensors"):
        weights.write_bytes(b"never read")
    rewrite(copy / "model_index.json", _class_name=pipeline)
    with pytest.raises(Unsupported, match=f"copy is one for diffusers' {pipeline}; zeroshift loads Stable"):
        load(copy)


def test_broken_folders_are_refused(copy):
    rewrite(copy / "scheduler/scheduler_config.json", _class_name="EDMDPMSolverMultistepScheduler")
    with pytest.raises(Unsupported, match="was trained for diffusers' EDMDPMSolverMultistepScheduler"):
        find_checkpoint(copy, None, None)
    rewrite(copy / "scheduler/scheduler_config.json", _class_name="EulerDiscreteScheduler")
    rewrite(copy / "vae/config.json", latents_mean=[0.1, 0.2, 0.3, 0.4])
    with pytest.raises(Unsupported, match="The VAE of copy gives every channel a mean of its own"):
        find_checkpoint(copy, None, None)
    rewrite(copy / "vae/config.json", latents_mean=None)
    shutil.rmtree(copy / "tokenizer_2")
    with pytest.raises(Unsupported, match="copy has no tokenizer_2 folder; zeroshift loads .* and Stable Diffusion XL"):
        find_checkpoint(copy, None, None)
    (copy / "model_index.json").write_text("{")
    with pytest.raises(Unsupported, match=r"model_index\.json of the checkpoint copy is not a table in JSON"):
        find_checkpoint(copy, None, None)


def test_the_hash_covers_both_encoders_and_how_the_empty_prompt_is_read(copy):
    names = {path.relative_to(copy).as_posix() for path in find_checkpoint(copy, None, None).files()}
    assert {"text_encoder_2/model.safetensors", "tokenizer_2/tokenizer.json", "model_index.json"} <= names
    (copy / "model_index.json").unlink()  # the second text encoder tells what it is
    assert find_checkpoint(copy, None, None).family.name == "Stable Diffusion XL"
