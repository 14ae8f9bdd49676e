"""Stable Diffusion 1.5 and XL in full size: outlines without weights, and the same filled with random ones."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from zeroshift.backbones.outline import outline_of_sd15
from zeroshift.backbones.saving import Saving
from zeroshift.backbones.sdxl import StableDiffusionXL
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.diffusion.backbone import Identity

Model: TypeAlias = StableDiffusion | StableDiffusionXL
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def outline_of_sdxl() -> StableDiffusionXL:
    """Stable Diffusion XL base (UNet of 2,567 M parameters, 1024 x 1024) with no file."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            sample_size=128,
            block_out_channels=(320, 640, 1280),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=[1, 2, 10],
            attention_head_dim=[5, 10, 20],
            cross_attention_dim=2048,
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
        )
        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
        )
        first = CLIPTextModel(CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_attention_heads=12))
        second = CLIPTextModelWithProjection(
            CLIPTextConfig(
                hidden_size=1280,
                intermediate_size=5120,
                num_hidden_layers=32,
                num_attention_heads=20,
                projection_dim=1280,
            )
        )
    words = CLIPTokenizer(vocab={"<|startoftext|>": 0, "<|endoftext|>": 1}, merges=[], model_max_length=77)
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", set_alpha_to_one=False, steps_offset=1
    )
    return StableDiffusionXL(Identity("sdxl", "0" * 64), unet, vae, (first, second), (words, words), scheduler)


MODELS: Mapping[str, Callable[[], Model]] = {
    "sd15": outline_of_sd15,
    "sdxl": outline_of_sdxl,
}


def in_precision(backbone: Model, precision: str) -> Model:
    """The same model with its networks in "fp32", "fp16" or "bf16"."""
    for network in backbone.networks:
        network.to(DTYPES[precision])
    return backbone


@torch.no_grad()
def filled(outline: Model, precision: str, device: torch.device, saving: Saving | None = None) -> Model:
    """The outlined model with random weights on a device: activations neither vanish nor overflow in half precision."""
    torch.manual_seed(0)
    for network in in_precision(outline, precision).networks:
        network.to_empty(device=device)
        for part in network.modules():
            fill(part)
    return replace(outline, saving=saving or Saving())


@torch.no_grad()
def fill(part: nn.Module) -> None:
    """Give a layer's own parameters values: weights of a deviation of one by the root of what is summed, no biases."""
    scale = isinstance(part, nn.GroupNorm | nn.LayerNorm)
    for name, x in part.named_parameters(recurse=False):
        if name == "bias":
            x.zero_()
        elif scale:
            x.fill_(1)
        else:
            x.normal_(std=x[0].numel() ** -0.5 if x.ndim > 1 else 1)
    for name, buffer in part.named_buffers(recurse=False):
        if name == "position_ids":
            buffer.copy_(torch.arange(buffer.shape[-1]).expand(buffer.shape))
