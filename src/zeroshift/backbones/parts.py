"""The parts that a backbone is made of, from a folder in diffusers format."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from zeroshift.backbones.checkpoint import Checkpoint, weights_of
from zeroshift.backbones.clip import read_tower
from zeroshift.backbones.families import index_of
from zeroshift.backbones.probe import with_length, with_padding
from zeroshift.backbones.whole import check_loaded, loading, read_object

ENCODERS: Mapping[str, tuple[Any, str]] = {
    "text_encoder": (CLIPTextModel, "tokenizer"),
    "text_encoder_2": (CLIPTextModelWithProjection, "tokenizer_2"),
}
"""class and tokenizer of every text encoder that a family may have"""


@dataclass(frozen=True, eq=False)
class Parts:
    """Everything that predicts, decodes and reads prompts, on the CPU."""

    unet: UNet2DConditionModel
    vae: AutoencoderKL
    towers: tuple[CLIPTextModel | CLIPTextModelWithProjection, ...]
    """text encoders"""
    words: tuple[CLIPTokenizer, ...]
    """their tokenizers"""
    scheduler: DDIMScheduler
    zeros_for_empty: bool = True
    """whether the empty prompt is zeros, where there are two text encoders"""


def parts_of_folder(checkpoint: Checkpoint, dtype: torch.dtype) -> Parts:
    """Read every part but the image encoder, in precision ``dtype``.

    Raises:
        Unsupported: a file is damaged or of another architecture.
    """
    root, name = checkpoint.root, checkpoint.name
    names = [part for part in ENCODERS if part in checkpoint.family.weights]
    towers = tuple(
        read_tower(ENCODERS[part][0], root / part, checkpoint.variants[part], dtype, f"the {part} of {name}")
        for part in names
    )
    words = tuple(words_for(tower, checkpoint, ENCODERS[part][1]) for part, tower in zip(names, towers, strict=True))
    upcast = read_object(root / "vae/config.json", f"the vae of {name}").get("force_upcast", True)
    return Parts(
        unet=read_network(checkpoint, dtype, UNet2DConditionModel, "unet"),
        vae=read_network(checkpoint, vae_dtype(dtype, len(towers) > 1 and bool(upcast)), AutoencoderKL, "vae"),
        towers=towers,
        words=words,
        scheduler=read_words(DDIMScheduler, checkpoint, "scheduler"),
        zeros_for_empty=bool(index_of(root, name).get("force_zeros_for_empty_prompt", True)),
    )


def vae_dtype(dtype: torch.dtype, overflows: bool) -> torch.dtype:
    """The precision of the VAE: fp32 for fp16 where it ``overflows``, as Stable Diffusion XL's does unless mended."""
    return torch.float32 if dtype == torch.float16 and overflows else dtype


def read_network(checkpoint: Checkpoint, dtype: torch.dtype, kind: Any, part: str) -> Any:  # noqa: ANN401 - of ``kind``
    """Load a network of diffusers' class ``kind``.

    Raises:
        Unsupported: its files do not fit each other.
    """
    what, variant = f"the {part} of {checkpoint.name}", checkpoint.variants[part]
    names = weights_of(checkpoint, part)[0].name
    with loading(what, f"its config.json and {names}"):
        network, info = kind.from_pretrained(
            checkpoint.root / part,
            variant=variant,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            torch_dtype=dtype,
        )
    check_loaded(info, what, names)
    return network


def words_for(tower: CLIPTextModel | CLIPTextModelWithProjection, checkpoint: Checkpoint, part: str) -> CLIPTokenizer:
    """The tokenizer of a text encoder, with its length and padding where its own files do not say them.

    Raises:
        Unsupported: its files do not fit each other.
    """
    words = with_length(read_words(CLIPTokenizer, checkpoint, part), tower)
    return with_padding(words, tower, checkpoint.root / part, f"the {part} of {checkpoint.name}")


def read_words(kind: Any, checkpoint: Checkpoint, part: str) -> Any:  # noqa: ANN401 - of ``kind``
    """Load a part without weights; ``kind`` is its class.

    Raises:
        Unsupported: its files do not fit each other.
    """
    with loading(f"the {part} of {checkpoint.name}", "its files"):
        return kind.from_pretrained(checkpoint.root / part, local_files_only=True)
