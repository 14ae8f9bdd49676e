"""Reading a Stable Diffusion checkpoint from safetensors, frozen, onto a device."""

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from safetensors import SafetensorError
from transformers import CLIPTextModel, CLIPTokenizer

from zeroshift.backbones.base import Identity, Unsupported
from zeroshift.backbones.locate import Checkpoint, Device, Precision
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.files import sha256_of

_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def read_stable_diffusion(checkpoint: Checkpoint, device: Device, precision: Precision) -> StableDiffusion:
    """Load every part.

    Raises:
        Unsupported: a file is damaged or of another architecture.
        ValueError: the device is not there.
    """
    root, variants, place = checkpoint.root, checkpoint.variants, pick_device(device)
    dtype = pick_dtype(precision, place)
    weights = {"use_safetensors": True, "local_files_only": True, "torch_dtype": dtype}
    try:
        backbone = StableDiffusion(
            identity=Identity(checkpoint.name, sha256_of(checkpoint.files(), root), checkpoint.revision),
            unet=UNet2DConditionModel.from_pretrained(root / "unet", variant=variants["unet"], **weights),
            vae=AutoencoderKL.from_pretrained(root / "vae", variant=variants["vae"], **weights),
            text_encoder=CLIPTextModel.from_pretrained(
                root / "text_encoder",
                variant=variants["text_encoder"],
                use_safetensors=True,
                local_files_only=True,
                dtype=dtype,
            ),
            tokenizer=CLIPTokenizer.from_pretrained(root / "tokenizer", local_files_only=True),
            scheduler=DDIMScheduler.from_pretrained(root / "scheduler", local_files_only=True),
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise Unsupported(f"The checkpoint {checkpoint.name} cannot be loaded: {reason}") from error
    for network in (backbone.unet, backbone.vae, backbone.text_encoder):
        network.to(place)
    return backbone


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
            f"torch finds no {device} device here; use --device cpu, or install a torch build that has it."
        )
    return torch.device(device)


def pick_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """Return the networks' precision; "auto" is fp16 on CUDA, else fp32."""
    if precision == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    return _DTYPES[precision]
