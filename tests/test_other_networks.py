"""Checkpoints of other networks are refused before their weights are opened, with what to use instead."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from tests import replicas
from tests.tiny import LENGTH
from zeroshift import load
from zeroshift.backbones.checkpoint import find_checkpoint, find_configs
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.doubts import Doubt
from zeroshift.inversion.value_embedding import without_encoder


@pytest.fixture
def folder(checkpoint, tmp_path) -> Path:
    copy = Path(shutil.copytree(checkpoint, tmp_path / "copy"))
    for weights in copy.rglob("*.safetensors"):
        weights.write_bytes(b"never read")
    return copy


def rewrite(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def refused(folder: Path, *words: str) -> None:
    for find in (find_checkpoint, find_configs):
        with pytest.raises(Unsupported) as refusal:
            find(folder, None, None)
        said = str(refusal.value)
        assert said.endswith(".") and "\n" not in said
        for word in ("copy", *words):
            assert word in said


@pytest.mark.parametrize(
    ("pipeline", "instead"),
    [
        ("StableUnCLIPPipeline", "so take stabilityai/stable-diffusion-2-1,"),
        ("StableDiffusionInstructPix2PixPipeline", "stable-diffusion-v1-5 and a `target` in the place of the instruct"),
        ("StableDiffusionXLInstructPix2PixPipeline", "stable-diffusion-xl-base-1.0 and a `target`"),
        ("StableDiffusionDepth2ImgPipeline", "so take stabilityai/stable-diffusion-2-base,"),
        ("StableDiffusionUpscalePipeline", "nothing here enlarges pictures"),
        ("StableDiffusionInpaintPipeline", "a `region` for a part of a picture"),
        ("FluxPipeline", "so take one of those."),
    ],
)
def test_pipelines_say_what_they_are(folder, pipeline, instead):
    rewrite(folder / "model_index.json", _class_name=pipeline)
    refused(folder, f"diffusers' {pipeline}", instead)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"in_channels": 9}, ("takes 9 channels and its VAE gives 4: an inpainting model", "`region`")),
        ({"in_channels": 8}, ("an instruct-pix2pix model", "`target`")),
        ({"in_channels": 5}, ("a depth model", "stable-diffusion-2-base")),
        ({"in_channels": 7}, ("an upscaler", "text-to-image")),
        ({"in_channels": 6}, ("another kind of network",)),
        ({"class_embed_type": "projection"}, ("class_embed_type projection", "as unCLIP's are", "text-to-image")),
        ({"time_cond_proj_dim": 256}, ("time_cond_proj_dim", "latent consistency", "distilled from")),
        ({"num_class_embeds": 1000}, ("num_class_embeds 1000", "as upscalers are")),
    ],
)
def test_networks_that_ask_for_more_than_a_prompt(folder, changes, words):
    """Whatever their model_index.json says."""
    rewrite(folder / "unet/config.json", **changes)
    refused(folder, "The UNet of copy", *words)


def test_networks_that_predict_the_picture(folder):
    rewrite(folder / "scheduler/scheduler_config.json", prediction_type="sample")
    refused(folder, "predicts sample (prediction_type", "epsilon or v_prediction")


@pytest.mark.parametrize("file", ["pytorch_lora_weights.safetensors", "adapter_config.json"])
def test_a_lora_is_no_checkpoint(tmp_path, file):
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / file).write_bytes(b"{}")
    refused(tmp_path / "copy", "is a LoRA")


@torch.no_grad()
@pytest.mark.parametrize("left", ["no length", "no configuration"])
def test_a_tokenizer_whose_files_say_no_length_is_as_long_as_its_encoder(checkpoint, tmp_path, left):
    copy = Path(shutil.copytree(checkpoint, tmp_path / "copy"))
    table = copy / "tokenizer/tokenizer_config.json"
    config = json.loads(table.read_text())
    del config["model_max_length"]
    table.write_text(json.dumps(config))
    if left == "no configuration":
        words = json.loads((copy / "tokenizer/tokenizer.json").read_text())["model"]
        shutil.rmtree(copy / "tokenizer")
        (copy / "tokenizer").mkdir()
        (copy / "tokenizer/vocab.json").write_text(json.dumps(words["vocab"]))
        merges = "\n".join(["#version: 0.2", *(" ".join(pair) for pair in words["merges"])])
        (copy / "tokenizer/merges.txt").write_text(merges)
    ours, whole = (load(model, device="cpu", precision="fp32").backbone for model in (copy, checkpoint))
    for prompt in ("a photo of a cat", "a photo of a cat " * 20):
        assert torch.equal(ours.embed([prompt]).tokens, whole.embed([prompt]).tokens)
        assert ours.tokens(prompt) == whole.tokens(prompt) and len(ours.tokens(prompt).ids) == LENGTH


@torch.no_grad()
def test_a_tokenizer_whose_files_say_no_padding_pads_as_its_encoder_was_trained(tmp_path):
    """Oracle: diffusers' pipeline of the whole checkpoint."""
    pipeline = replicas.stable_diffusion_2()
    folder = replicas.saved(pipeline, tmp_path / "copy")
    (folder / "tokenizer/tokenizer_config.json").unlink()
    with pytest.warns(Doubt, match="No file of the tokenizer of copy says what it pads with"):
        ours = load(folder, device="cpu", precision="fp32", cache=False).backbone
    wanted, _ = pipeline.encode_prompt("a cat", "cpu", 1, False)
    assert torch.equal(ours.embed(["a cat"]).tokens, wanted)


def test_who_has_no_image_encoder_is_told_which_one_to_give():
    assert without_encoder(768).startswith("An image encoder of this model's width is `clip` openai/clip-vit-base-pat")
    assert without_encoder(2048) == "Without one, learn scale and shift themselves: `learn` direct."
