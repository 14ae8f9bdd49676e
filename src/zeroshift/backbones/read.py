"""Reading a Stable Diffusion checkpoint from safetensors, frozen, onto a device."""

import hashlib
from collections.abc import Callable

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from safetensors import SafetensorError
from transformers import CLIPTextModel, CLIPTokenizer

from zeroshift.backbones.checkpoint import Checkpoint, ClipFolder, Device, Precision
from zeroshift.backbones.clip import read_own_towers, read_towers
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.diffusion.backbone import Clip, Identity, Unsupported
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
    weights = {"use_safetensors": True, "local_files_only": True, "torch_dtype": dtype}
    try:
        text_encoder = CLIPTextModel.from_pretrained(
            root / "text_encoder",
            variant=variants["text_encoder"],
            use_safetensors=True,
            local_files_only=True,
            dtype=dtype,
        )
        tokenizer = CLIPTokenizer.from_pretrained(root / "tokenizer", local_files_only=True)
        backbone = StableDiffusion(
            identity=identity_of(checkpoint, clip),
            unet=UNet2DConditionModel.from_pretrained(root / "unet", variant=variants["unet"], **weights),
            vae=AutoencoderKL.from_pretrained(root / "vae", variant=variants["vae"], **weights),
            text_encoder=text_encoder,
            tokenizer=tokenizer,
            scheduler=DDIMScheduler.from_pretrained(root / "scheduler", local_files_only=True),
            open_clip=clip_opener(checkpoint, clip, text_encoder, tokenizer, place),
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise Unsupported(f"The checkpoint {checkpoint.name} cannot be loaded: {reason}") from error
    for network in (backbone.unet, backbone.vae, backbone.text_encoder):
        network.to(place)
    return backbone


def identity_of(checkpoint: Checkpoint, clip: ClipFolder | None) -> Identity:
    """Return the identity of a checkpoint, with the CLIP that was given apart."""
    own = sha256_of(checkpoint.files(), checkpoint.root)
    if clip is None:
        return Identity(checkpoint.name, own, checkpoint.revision)
    both = hashlib.sha256(f"{own} {sha256_of(clip.files(), clip.root)}".encode()).hexdigest()
    return Identity(checkpoint.name, both, checkpoint.revision, clip.name)


def clip_opener(
    checkpoint: Checkpoint, clip: ClipFolder | None, text: CLIPTextModel, words: CLIPTokenizer, place: torch.device
) -> Callable[[], Clip] | None:
    """Return what loads the CLIP that was given apart, else the checkpoint's own; None where there is neither."""
    if clip is not None:
        return lambda: read_towers(clip, text.dtype, place)
    return (lambda: read_own_towers(checkpoint, text, words)) if checkpoint.sees else None


def pick_device(device: Device) -> torch.device:
    """Return the device; "auto" takes CUDA, else MPS, else the CPU.

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
    """Return the networks' precision; "auto" is fp16 on CUDA, else fp32."""
    if precision == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    return _DTYPES[precision]
