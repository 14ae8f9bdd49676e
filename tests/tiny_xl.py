"""A tiny random Stable Diffusion XL."""

import json
from pathlib import Path

import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

from tests.tiny import LENGTH, WIDTH, scheduler, text_encoder, tokenizer, towers, vae
from zeroshift.backbones.sdxl import StableDiffusionXL
from zeroshift.diffusion.backbone import Identity

WIDE, PROJECTED, SIZES = 24, 20, 8
"""width of the second encoder, of its projection, and of each of the six numbers of the size"""


def second_tokenizer(folder: Path) -> CLIPTokenizer:
    """Return the same words, padded with "!" as Stable Diffusion XL's second tokenizer pads."""
    tokenizer().save_pretrained(folder)
    return CLIPTokenizer.from_pretrained(folder, pad_token="!")


def second_text_encoder() -> CLIPTextModelWithProjection:
    torch.manual_seed(12)
    words = tokenizer()
    config = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=WIDE,
        intermediate_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=LENGTH,
        projection_dim=PROJECTED,
        hidden_act="gelu",
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    return CLIPTextModelWithProjection(config)


def unet_xl() -> UNet2DConditionModel:
    torch.manual_seed(10)
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        transformer_layers_per_block=(1, 2, 2),
        cross_attention_dim=WIDTH + WIDE,
        attention_head_dim=(2, 2, 4),
        norm_num_groups=4,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=SIZES,
        projection_class_embeddings_input_dim=6 * SIZES + PROJECTED,
    )


def tiny_xl_backbone(dtype: torch.dtype, folder: Path) -> StableDiffusionXL:
    """A whole model in memory; ``folder`` holds its second tokenizer."""
    encoders = (text_encoder().to(dtype), second_text_encoder().to(dtype))
    words = (tokenizer(), second_tokenizer(folder))
    parts = (unet_xl().to(dtype), vae().to(dtype), encoders, words, scheduler())
    return StableDiffusionXL(Identity("tiny-xl", "0" * 64), *parts, open_clip=lambda: towers(encoders[0]))


def tiny_xl(folder: Path, *, zeros: bool = True) -> Path:
    """Save a checkpoint as Stability AI's are: the scheduler is another than DDIM's."""
    euler = EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, timestep_spacing="leading"
    )
    StableDiffusionXLPipeline(
        vae=vae(),
        text_encoder=text_encoder(),
        text_encoder_2=second_text_encoder(),
        tokenizer=tokenizer(),
        tokenizer_2=second_tokenizer(folder / "tokenizer_2"),
        unet=unet_xl(),
        scheduler=euler,
        force_zeros_for_empty_prompt=zeros,
        add_watermarker=False,
    ).save_pretrained(folder)
    # what else is said of sampling there, and what diffusers' DDIMScheduler takes from it
    path = folder / "scheduler/scheduler_config.json"
    config = {**json.loads(path.read_text()), "clip_sample": False, "set_alpha_to_one": False}
    path.write_text(json.dumps(config))
    return folder
