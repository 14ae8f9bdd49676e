"""Checkpoints without weights: every network on the meta device, where shapes flow and nothing is computed."""

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, CLIPVisionConfig, CLIPVisionModel

from zeroshift.backbones.checkpoint import IMAGE_ENCODER, Checkpoint
from zeroshift.backbones.clip import Towers
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.backbones.whole import loading
from zeroshift.diffusion.backbone import Identity, check_edits


def outline_of(checkpoint: Checkpoint) -> StableDiffusion:
    """Build a checkpoint from its configurations; weights are not read.

    Raises:
        Unsupported: nothing can be made of them, or the model only generates.
    """
    check_edits(checkpoint.name, checkpoint.family.edits)
    root, what = checkpoint.root, f"the checkpoint {checkpoint.name}"
    with loading(what, "the config.json of its networks"), torch.device("meta"):
        unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(root / "unet"))
        vae = AutoencoderKL.from_config(AutoencoderKL.load_config(root / "vae"))
        text_encoder = CLIPTextModel(CLIPTextConfig.from_pretrained(root / "text_encoder"))
    with loading(what, "the files of its tokenizer and scheduler"):
        tokenizer = CLIPTokenizer.from_pretrained(root / "tokenizer", local_files_only=True)
        scheduler = DDIMScheduler.from_pretrained(root / "scheduler", local_files_only=True)
    identity = Identity(checkpoint.name, "0" * 64, checkpoint.revision)
    vision = CLIPVisionConfig.from_pretrained(root / IMAGE_ENCODER) if checkpoint.sees else vit_b16()
    return StableDiffusion(
        identity, unet, vae, text_encoder, tokenizer, scheduler, lambda: towers_of(vision, text_encoder, tokenizer)
    )


def outline_of_sd15() -> StableDiffusion:
    """Build Stable Diffusion 1.5 (UNet of 859.5 M parameters, 512 x 512) with no file; its tokenizer knows no word."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768)
        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
        )
        text_encoder = CLIPTextModel(CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_attention_heads=12))
    tokenizer = CLIPTokenizer(vocab={"<|startoftext|>": 0, "<|endoftext|>": 1}, merges=[], model_max_length=77)
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", set_alpha_to_one=False, steps_offset=1
    )
    vision, identity = vit_b16(), Identity("sd15", "0" * 64)
    return StableDiffusion(
        identity, unet, vae, text_encoder, tokenizer, scheduler, lambda: towers_of(vision, text_encoder, tokenizer)
    )


def vit_b16() -> CLIPVisionConfig:
    """CLIP ViT-B/16: what a checkpoint that has no image encoder is most often given."""
    return CLIPVisionConfig(patch_size=16, projection_dim=512)


def towers_of(vision: CLIPVisionConfig, text: CLIPTextModel, tokenizer: CLIPTokenizer) -> Towers:
    """Build an image encoder beside a text encoder."""
    width, images, words = vision.projection_dim, vision.hidden_size, text.config.hidden_size
    with torch.device("meta"):
        projections = torch.zeros(width, images), torch.zeros(width, words)
        tower = CLIPVisionModel(vision)
    return Towers(tower, projections[0], text, projections[1], tokenizer, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
