"""Checkpoints without weights: every network on the meta device, where shapes flow and nothing is computed."""

from collections.abc import Callable, Mapping

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModel,
)

from zeroshift.backbones.checkpoint import IMAGE_ENCODER, Checkpoint
from zeroshift.backbones.clip import Towers
from zeroshift.backbones.families import STABLE_DIFFUSION, STABLE_DIFFUSION_XL
from zeroshift.backbones.one_file import OneFile
from zeroshift.backbones.original import outline, words_of
from zeroshift.backbones.parts import Parts
from zeroshift.backbones.probe import with_length
from zeroshift.backbones.read import BUILDERS
from zeroshift.backbones.sdxl import StableDiffusionXL
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.backbones.whole import loading
from zeroshift.diffusion.backbone import Backbone, Clip, Identity


def outline_of(checkpoint: Checkpoint | OneFile) -> Backbone:
    """Build a checkpoint from its configurations; weights are not read.

    Raises:
        Unsupported: nothing can be made of them.
    """
    if isinstance(checkpoint, OneFile):
        return outline_of_file(checkpoint)
    return OUTLINES[checkpoint.family.name](checkpoint)


def outline_of_stable_diffusion(checkpoint: Checkpoint) -> StableDiffusion:
    """Build Stable Diffusion 1.x or 2.x from its configurations.

    Raises:
        Unsupported: nothing can be made of them.
    """
    unet, vae = networks_of(checkpoint)
    text, words = encoder_of(checkpoint, CLIPTextModel, "text_encoder", "tokenizer")
    scheduler, opener = scheduler_of(checkpoint), opener_of(checkpoint, text, words)
    return StableDiffusion(without_weights(checkpoint), unet, vae, text, words, scheduler, opener)


def outline_of_xl(checkpoint: Checkpoint) -> StableDiffusionXL:
    """Build Stable Diffusion XL from its configurations.

    Raises:
        Unsupported: nothing can be made of them.
    """
    unet, vae = networks_of(checkpoint)
    text, words = encoder_of(checkpoint, CLIPTextModel, "text_encoder", "tokenizer")
    second, its_words = encoder_of(checkpoint, CLIPTextModelWithProjection, "text_encoder_2", "tokenizer_2")
    return StableDiffusionXL(
        identity=without_weights(checkpoint),
        unet=unet,
        vae=vae,
        text_encoders=(text, second),
        tokenizers=(words, its_words),
        scheduler=scheduler_of(checkpoint),
        open_clip=opener_of(checkpoint, text, words),
    )


OUTLINES: Mapping[str, Callable[[Checkpoint], Backbone]] = {
    STABLE_DIFFUSION.name: outline_of_stable_diffusion,
    STABLE_DIFFUSION_XL.name: outline_of_xl,
}
"""what builds a checkpoint without weights, by its family's name"""


def outline_of_file(file: OneFile) -> Backbone:
    """Build what one file holds from the shapes of its tensors.

    Raises:
        Unsupported: nothing can be made of them.
    """
    with torch.device("meta"):
        unet, vae, *towers = (outline(file, part) for part in ("unet", "vae", *file.texts))
    words = words_of(file.kind)
    parts = Parts(unet, vae, tuple(towers), words, DDIMScheduler.from_config(file.configs["scheduler"]))
    return BUILDERS[file.family.name](without_weights(file), parts, lambda: towers_of(vit_b16(), towers[0], words[0]))


def without_weights(checkpoint: Checkpoint | OneFile) -> Identity:
    """The identity of what has no weights to hash."""
    return Identity(checkpoint.name, "0" * 64, checkpoint.revision)


def networks_of(checkpoint: Checkpoint) -> tuple[UNet2DConditionModel, AutoencoderKL]:
    """UNet and VAE of a checkpoint's configurations, on the meta device.

    Raises:
        Unsupported: nothing can be made of them.
    """
    root = checkpoint.root
    with loading(f"the checkpoint {checkpoint.name}", "the config.json of its networks"), torch.device("meta"):
        unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(root / "unet"))
        return unet, AutoencoderKL.from_config(AutoencoderKL.load_config(root / "vae"))


def encoder_of(
    checkpoint: Checkpoint, kind: type[CLIPTextModel], part: str, words: str
) -> tuple[CLIPTextModel, CLIPTokenizer]:
    """A text encoder of class ``kind`` on the meta device, and its tokenizer.

    Raises:
        Unsupported: nothing can be made of their files.
    """
    root, what = checkpoint.root, f"the checkpoint {checkpoint.name}"
    with loading(what, "the config.json of its networks"), torch.device("meta"):
        text = kind(CLIPTextConfig.from_pretrained(root / part))
    with loading(what, "the files of its tokenizer"):
        return text, with_length(CLIPTokenizer.from_pretrained(root / words, local_files_only=True), text)


def scheduler_of(checkpoint: Checkpoint) -> DDIMScheduler:
    """The scheduler of a checkpoint.

    Raises:
        Unsupported: nothing can be made of its file.
    """
    with loading(f"the checkpoint {checkpoint.name}", "the file of its scheduler"):
        return DDIMScheduler.from_pretrained(checkpoint.root / "scheduler", local_files_only=True)


def opener_of(checkpoint: Checkpoint, text: CLIPTextModel, words: CLIPTokenizer) -> Callable[[], Clip]:
    """What opens a checkpoint's own CLIP, or the one that it is most often given."""
    own = checkpoint.root / IMAGE_ENCODER
    vision = CLIPVisionConfig.from_pretrained(own) if checkpoint.sees else vit_b16()
    return lambda: towers_of(vision, text, words)


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
