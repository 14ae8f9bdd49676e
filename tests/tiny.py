"""Builders of tiny random Stable Diffusion models."""

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from zeroshift.backbones.base import Identity
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.sentences import template_sentences
from zeroshift.training.tokenizer import train_tokenizer

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
    return StableDiffusion(Identity("tiny", "0" * 64), *parts, tokenizer(), scheduler(prediction))


COMMIT = "0123456789" * 4


def hub_cache(checkpoint: Path, cache: Path, ignore: Callable[..., set[str]] | None = None) -> Path:
    """Lay a checkpoint out as the hub's cache holds "owner/name"; return its folder, which the commit names."""
    repository = cache / "models--owner--name"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs/main").write_text(COMMIT)
    return Path(shutil.copytree(checkpoint, repository / "snapshots" / COMMIT, ignore=ignore))


def tiny_checkpoint(folder: Path) -> Path:
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
    return folder
