"""Reading a checkpoint from safetensors, frozen, onto a device."""

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from zeroshift.backbones.checkpoint import Checkpoint, ClipFolder, Device, Precision, weights_of
from zeroshift.backbones.clip import read_own_towers, read_tower, read_towers
from zeroshift.backbones.families import STABLE_DIFFUSION, STABLE_DIFFUSION_XL, index_of
from zeroshift.backbones.probe import check_prompts, probe, with_length
from zeroshift.backbones.sdxl import StableDiffusionXL
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.backbones.whole import check_loaded, loading, read_object
from zeroshift.diffusion.backbone import Backbone, Clip, Identity
from zeroshift.files import sha256_of

_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def read_stable_diffusion(
    checkpoint: Checkpoint, device: Device, precision: Precision, clip: ClipFolder | None = None
) -> StableDiffusion:
    """Load every part but the image encoder, which is loaded when it is first needed.

    Raises:
        Unsupported: a file is damaged or of another architecture.
        ValueError: the device is not there.
    """
    root, variants, place = checkpoint.root, checkpoint.variants, pick_device(device)
    dtype = pick_dtype(precision, place)
    network = partial(read_network, checkpoint, dtype)
    own = f"the text_encoder of {checkpoint.name}"
    text_encoder = read_tower(CLIPTextModel, root / "text_encoder", variants["text_encoder"], dtype, own)
    tokenizer = with_length(read_words(CLIPTokenizer, checkpoint, "tokenizer"), text_encoder)
    backbone = StableDiffusion(
        identity=identity_of(checkpoint, clip),
        unet=network(UNet2DConditionModel, "unet"),
        vae=network(AutoencoderKL, "vae"),
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        scheduler=read_words(DDIMScheduler, checkpoint, "scheduler"),
        open_clip=clip_opener(checkpoint, clip, text_encoder, tokenizer, place),
    )
    for part in (backbone.unet, backbone.vae, backbone.text_encoder):
        part.to(place)
    check_prompts(tokenizer, text_encoder, checkpoint.name)
    probe(backbone)
    return backbone


def read_stable_diffusion_xl(
    checkpoint: Checkpoint, device: Device, precision: Precision, clip: ClipFolder | None = None
) -> StableDiffusionXL:
    """Load every part.

    Raises:
        Unsupported: a file is damaged or of another architecture.
        ValueError: the device is not there.
    """
    root, name, place = checkpoint.root, checkpoint.name, pick_device(device)
    dtype, parts = pick_dtype(precision, place), ("text_encoder", "text_encoder_2")
    towers = [
        read_tower(kind, root / part, checkpoint.variants[part], dtype, f"the {part} of {name}")
        for kind, part in zip((CLIPTextModel, CLIPTextModelWithProjection), parts, strict=True)
    ]
    words = [
        with_length(read_words(CLIPTokenizer, checkpoint, part), tower)
        for part, tower in zip(checkpoint.family.tokenizers, towers, strict=True)
    ]
    backbone = StableDiffusionXL(
        identity=identity_of(checkpoint, clip),
        unet=read_network(checkpoint, dtype, UNet2DConditionModel, "unet"),
        vae=read_network(checkpoint, vae_dtype(checkpoint, dtype), AutoencoderKL, "vae"),
        text_encoders=(towers[0], towers[1]),
        tokenizers=(words[0], words[1]),
        scheduler=read_words(DDIMScheduler, checkpoint, "scheduler"),
        zeros_for_empty=bool(index_of(root, name).get("force_zeros_for_empty_prompt", True)),
        open_clip=clip_opener(checkpoint, clip, towers[0], words[0], place),
    )
    for part in (backbone.unet, backbone.vae, *towers):
        part.to(place)
    for tokenizer, tower in zip(words, towers, strict=True):
        check_prompts(tokenizer, tower, name)
    probe(backbone)
    return backbone


READERS: "Mapping[str, Callable[[Checkpoint, Device, Precision, ClipFolder | None], Backbone]]" = {
    STABLE_DIFFUSION.name: read_stable_diffusion,
    STABLE_DIFFUSION_XL.name: read_stable_diffusion_xl,
}
"""what loads a checkpoint, by its family's name"""


def vae_dtype(checkpoint: Checkpoint, dtype: torch.dtype) -> torch.dtype:
    """The precision of Stable Diffusion XL's VAE: fp32 for fp16, in which it overflows unless it was mended."""
    config = read_object(checkpoint.root / "vae/config.json", f"the vae of {checkpoint.name}")
    return torch.float32 if dtype == torch.float16 and config.get("force_upcast", True) else dtype


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


def read_words(kind: Any, checkpoint: Checkpoint, part: str) -> Any:  # noqa: ANN401 - of ``kind``
    """Load a part without weights; ``kind`` is its class.

    Raises:
        Unsupported: its files do not fit each other.
    """
    with loading(f"the {part} of {checkpoint.name}", "its files"):
        return kind.from_pretrained(checkpoint.root / part, local_files_only=True)


def identity_of(checkpoint: Checkpoint, clip: ClipFolder | None) -> Identity:
    """The identity of a checkpoint, with the CLIP that was given apart."""
    own = sha256_of(checkpoint.files(), checkpoint.root)
    if clip is None:
        return Identity(checkpoint.name, own, checkpoint.revision)
    both = hashlib.sha256(f"{own} {sha256_of(clip.files(), clip.root)}".encode()).hexdigest()
    return Identity(checkpoint.name, both, checkpoint.revision, clip.name)


def clip_opener(
    checkpoint: Checkpoint, clip: ClipFolder | None, text: CLIPTextModel, words: CLIPTokenizer, place: torch.device
) -> Callable[[], Clip] | None:
    """What loads the CLIP that was given apart, else the checkpoint's own; None where there is neither."""
    if clip is not None:
        return lambda: read_towers(clip, text.dtype, place)
    return (lambda: read_own_towers(checkpoint, text, words)) if checkpoint.sees else None


def pick_device(device: Device) -> torch.device:
    """The device; "auto" takes CUDA, else MPS, else the CPU.

    Raises:
        ValueError: torch cannot use the one asked for.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if there[name]))
    if not there[device]:
        raise ValueError(
            f"torch finds no {device} device here; use `device` cpu, or install a torch build that has it."
        )
    return torch.device(device)


def pick_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """The networks' precision; "auto" is fp16 on CUDA, else fp32."""
    if precision == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    return _DTYPES[precision]
