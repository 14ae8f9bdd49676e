"""Builders of tiny random Stable Diffusion models."""

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from zeroshift.backbones.clip import Towers
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.diffusion.backbone import Identity
from zeroshift.miniature.training.tokenizer import train_tokenizer
from zeroshift.sentences import template_sentences

LENGTH, WIDTH = 16, 16


@cache
def tokenizer() -> CLIPTokenizer:
    return train_tokenizer(template_sentences("cat", 200) + template_sentences("dog", 200), 400, LENGTH)


def unet() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16, 16),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=WIDTH,
        attention_head_dim=2,
        norm_num_groups=4,
    )


def vae() -> AutoencoderKL:
    torch.manual_seed(1)
    return AutoencoderKL(
        sample_size=32,
        block_out_channels=(8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        norm_num_groups=4,
        scaling_factor=0.5,
    )


def text_encoder() -> CLIPTextModel:
    torch.manual_seed(2)
    words = tokenizer()
    config = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=WIDTH,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=LENGTH,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    return CLIPTextModel(config)


def image_encoder() -> CLIPVisionModelWithProjection:
    torch.manual_seed(3)
    config = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=16,
        patch_size=8,
        projection_dim=WIDTH,
    )
    return CLIPVisionModelWithProjection(config)


COLOURS = (0.4, 0.5, 0.6), (0.2, 0.3, 0.25)
"""mean and deviation of pixels that the image encoder takes"""


def towers(text: CLIPTextModel) -> Towers:
    image = image_encoder().to(text.dtype)
    weight = image.visual_projection.weight.detach()
    return Towers(image.vision_model, weight, text, torch.eye(WIDTH, dtype=text.dtype), tokenizer(), *COLOURS)


def scheduler(prediction: str = "epsilon") -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type=prediction,
    )


def tiny_backbone(dtype: torch.dtype, prediction: str = "epsilon") -> StableDiffusion:
    parts = (unet().to(dtype), vae().to(dtype), text_encoder().to(dtype))
    words, levels = tokenizer(), scheduler(prediction)
    return StableDiffusion(Identity("tiny", "0" * 64), *parts, words, levels, lambda: towers(parts[2]))


COMMIT = "0123456789" * 4


def hub_cache(checkpoint: Path, cache: Path, ignore: Callable[..., set[str]] | None = None) -> Path:
    """Lay a checkpoint out as the hub's cache holds "owner/name"; return its folder, which the commit names."""
    repository = cache / "models--owner--name"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs/main").write_text(COMMIT)
    return Path(shutil.copytree(checkpoint, repository / "snapshots" / COMMIT, ignore=ignore))


def tiny_checkpoint(folder: Path, *, sees: bool = True) -> Path:
    """Save a checkpoint, with or without an image encoder."""
    pipeline = StableDiffusionPipeline(
        vae=vae(),
        text_encoder=text_encoder(),
        tokenizer=tokenizer(),
        unet=unet(),
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    if sees:
        image_encoder().save_pretrained(folder / "image_encoder")
        preparation = {"image_mean": COLOURS[0], "image_std": COLOURS[1]}
        (folder / "image_encoder/preprocessor_config.json").write_text(json.dumps(preparation))
        config = folder / "text_encoder/config.json"
        config.write_text(json.dumps({**json.loads(config.read_text()), "text_projection": "identity"}))
    return folder


def tiny_clip(folder: Path) -> Path:
    """Save a whole CLIP as transformers does, of another width than the checkpoint's."""
    torch.manual_seed(9)
    text, vision = text_encoder().config.to_dict(), image_encoder().config.to_dict()
    config = CLIPConfig(text_config=text, vision_config={**vision, "image_size": 24}, projection_dim=12)
    CLIPModel(config).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": COLOURS[0], "image_std": COLOURS[1]}))
    return folder
