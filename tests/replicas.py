"""Small random models of published kinds: their real configurations and tokenizers, few channels and layers.

What configurations count in whole heads and groups stays: 8 heads or 64 channels a head, groups of 32 channels.
"""

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from zeroshift.backbones.tokenizer import clip_tokenizer

SIDE = 64
LEVELS: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
NO_FILTER: dict[str, Any] = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}


def unet(**config: object) -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(**{"sample_size": SIDE // 8, "layers_per_block": 2, **config})


def vae(**config: object) -> AutoencoderKL:
    torch.manual_seed(1)
    kinds = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
    return AutoencoderKL(sample_size=SIDE, block_out_channels=(32,) * 4, layers_per_block=2, **kinds, **config)


def text(kind: type = CLIPTextModel, seed: int = 2, **config: object) -> CLIPTextModel | CLIPTextModelWithProjection:
    torch.manual_seed(seed)
    size = {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 1, "num_hidden_layers": 3}
    return kind(
        CLIPTextConfig(**{**size, "projection_dim": 64, "bos_token_id": 49406, "eos_token_id": 49407, **config})
    )


def stable_diffusion_1() -> StableDiffusionPipeline:
    """Stable Diffusion 1.x: 8 heads in every layer, whatever its channels."""
    network = unet(block_out_channels=(32, 64, 64, 64), cross_attention_dim=64, attention_head_dim=8)
    scheduler = DDIMScheduler(**LEVELS, clip_sample=False, set_alpha_to_one=False)
    words = clip_tokenizer()
    return StableDiffusionPipeline(vae(), text(), words, network, scheduler, **NO_FILTER)


def stable_diffusion_2(prediction: str = "v_prediction") -> StableDiffusionPipeline:
    """Stable Diffusion 2.x: OpenCLIP's encoder without its last layer, linear projections, heads of 64 channels."""
    network = unet(
        block_out_channels=(64, 64, 128, 128),
        cross_attention_dim=64,
        attention_head_dim=[1, 1, 2, 2],
        use_linear_projection=True,
    )
    scheduler = DDIMScheduler(**LEVELS, clip_sample=False, set_alpha_to_one=False, prediction_type=prediction)
    return StableDiffusionPipeline(vae(), text(hidden_act="gelu"), clip_tokenizer("!"), network, scheduler, **NO_FILTER)


def stable_diffusion_xl() -> StableDiffusionXLPipeline:
    """Stable Diffusion XL: no attention on the finest level, deeper and deeper below."""
    network = unet(
        block_out_channels=(64, 64, 128),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=[1, 2, 3],
        cross_attention_dim=192,
        attention_head_dim=[1, 1, 2],
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=32,
        projection_class_embeddings_input_dim=6 * 32 + 80,
    )
    second = text(
        CLIPTextModelWithProjection,
        3,
        hidden_size=128,
        num_attention_heads=2,
        num_hidden_layers=4,
        projection_dim=80,
        hidden_act="gelu",
    )
    scheduler = DDIMScheduler(**LEVELS, clip_sample=False, set_alpha_to_one=False)
    return StableDiffusionXLPipeline(
        vae(scaling_factor=0.13025),
        text(),
        second,
        clip_tokenizer(),
        clip_tokenizer("!"),
        network,
        scheduler,
        add_watermarker=False,
    )


def saved(pipeline: Any, folder: Path) -> Path:  # noqa: ANN401 - a pipeline
    """Save a replica in diffusers format."""
    pipeline.save_pretrained(folder)
    return folder
