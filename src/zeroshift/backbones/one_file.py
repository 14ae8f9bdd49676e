"""Checkpoints in one .safetensors file, in the layout that Stable Diffusion was published in (A1111, CivitAI)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from safetensors import SafetensorError, safe_open
from torch import Tensor

from zeroshift.backbones.families import STABLE_DIFFUSION, STABLE_DIFFUSION_XL, Family
from zeroshift.backbones.layout import (
    CLIP_1,
    CLIP_2,
    CLIP_XL,
    UNET,
    VAE,
    Config,
    Shapes,
    clip_config,
    open_clip_config,
    scheduler_config,
    unet_config,
    vae_config,
)
from zeroshift.backbones.refused import BASE, CHANNELS
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.faults import plain
from zeroshift.files import regular

Kind = Literal["1", "2", "XL"]
"""which Stable Diffusion a file holds"""
PICKLES = (".ckpt", ".pt", ".pth", ".bin")
_SIZES = {"1": 512, "2": 512, "XL": 1024}
_LAST_NORM = f"{UNET}.output_blocks.11.1.transformer_blocks.0.norm1.bias"
_TELLS_V = 0.09


@dataclass(frozen=True)
class OneFile:
    """A checkpoint in one file, of which the head was read."""

    path: Path
    name: str
    kind: Kind
    configs: Mapping[str, Config]
    """by part of a folder in diffusers format"""
    revision: None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """The names of its text encoders."""
        return tuple(part for part in self.configs if part.startswith("text_encoder"))

    @property
    def family(self) -> Family:
        return STABLE_DIFFUSION_XL if self.kind == "XL" else STABLE_DIFFUSION


@dataclass(frozen=True)
class Head:
    """What decides how a file is read."""

    shapes: Shapes
    """of every tensor"""
    metadata: Mapping[str, str]
    tensor: Callable[[str], Tensor]
    """a tensor by its name"""


def find_file(path: Path) -> OneFile:
    """Read the head of a checkpoint in one file.

    Raises:
        Unsupported: it is pickled, damaged, or no whole Stable Diffusion 1.x, 2.x or XL.
    """
    if path.suffix in PICKLES:
        raise Unsupported(
            f"{path.name} is pickled, which can run code when opened; write it as plain weights once: "
            f"zeroshift convert {path} FOLDER."
        )
    try:
        with safe_open(regular(path), "pt") as file:
            names = list(file.keys())
            shapes = {name: file.get_slice(name).get_shape() for name in names}
            return known(Head(shapes, file.metadata() or {}, file.get_tensor), path)
    except (OSError, SafetensorError) as error:
        raise Unsupported(
            f"{path.name} is no .safetensors file, or damaged ({plain(error)}); give a checkpoint's file or its "
            "folder in diffusers format."
        ) from error


def known(head: Head, path: Path) -> OneFile:
    """What a file holds.

    Raises:
        Unsupported: no whole Stable Diffusion 1.x, 2.x or XL.
    """
    kind = kind_of(head.shapes, path.name)
    try:
        return OneFile(path, path.name, kind, configs_of(head, kind))
    except (KeyError, IndexError, ValueError, StopIteration) as error:
        raise Unsupported(
            f"{path.name} is not laid out as Stable Diffusion's checkpoints are ({plain(error)}); take {BASE}."
        ) from error


def kind_of(shapes: Shapes, name: str) -> Kind:
    """Which Stable Diffusion a file holds.

    Raises:
        Unsupported: it is another network, or lacks a part.
    """
    if any(".lora_" in key or key.startswith("lora_") for key in shapes):
        raise Unsupported(
            f"{name} is a LoRA, which changes a checkpoint and is none; load the checkpoint that it was made for, with "
            "this as one of its `loras`."
        )
    first = shapes.get(f"{UNET}.input_blocks.0.0.weight")
    if first is None:
        raise Unsupported(
            f"{name} holds no Stable Diffusion ({UNET}.input_blocks); zeroshift loads version 1.x, 2.x and XL."
        )
    if first[1] in CHANNELS:
        what, advice = CHANNELS[first[1]]
        raise Unsupported(f"The UNet of {name} takes {first[1]} channels: {what}; {advice}.")
    prefixes: dict[Kind, tuple[str, ...]] = {"XL": CLIP_XL, "2": (CLIP_2,), "1": (CLIP_1,)}
    for kind, encoders in prefixes.items():
        if all(_has(shapes, prefix) for prefix in (*encoders, VAE)):
            check_told(shapes, name, kind)
            return kind
    lacking = "VAE" if not _has(shapes, VAE) else "text encoder of Stable Diffusion 1.x, 2.x or XL"
    raise Unsupported(f"{name} has no {lacking}; take a file with all parts, or a folder in diffusers format.")


def _has(shapes: Shapes, prefix: str) -> bool:
    return any(key.startswith(f"{prefix}.") for key in shapes)


def check_told(shapes: Shapes, name: str, kind: Kind) -> None:
    """Refuse a UNet that is told a class beside the prompt, and those that were trained for other noise.

    Raises:
        Unsupported: it is one.
    """
    if kind != "XL" and f"{UNET}.label_emb.0.0.weight" in shapes:
        raise Unsupported(f"The UNet of {name} is told a picture's embedding, as unCLIP's are; take {BASE}.")
    if "edm_mean" in shapes or "edm_vpred.sigma_max" in shapes:
        raise Unsupported(f"{name} was trained for the EDM noise schedule, which zeroshift does not know; take {BASE}.")


def configs_of(head: Head, kind: Kind) -> dict[str, Config]:
    """The configuration of every part."""
    shapes, predicts_v = head.shapes, predicts_velocity(head, kind)
    size = size_of(head.metadata) or (768 if kind == "2" and predicts_v else _SIZES[kind])
    vae = vae_config(shapes, size, 0.13025 if kind == "XL" else 0.18215, upcast=kind == "XL")
    channels = vae["block_out_channels"]
    assert isinstance(channels, list)
    found = {
        "unet": unet_config(shapes, size >> (len(channels) - 1)),
        "vae": vae,
        "scheduler": scheduler_config("v_prediction" if predicts_v else "epsilon", "ztsnr" in shapes),
    }
    match kind:
        case "1":
            return found | {"text_encoder": clip_config(shapes, CLIP_1)}
        case "2":  # trained on the last hidden state but one
            return found | {"text_encoder": open_clip_config(shapes, CLIP_2, 1)}
        case "XL":
            first, second = clip_config(shapes, CLIP_XL[0]), open_clip_config(shapes, CLIP_XL[1], 0)
            return found | {"text_encoder": first, "text_encoder_2": second}


def predicts_velocity(head: Head, kind: Kind) -> bool:
    """Whether the network predicts v: as the file says, else by what tells the published models apart.

    The file says so in ModelSpec's entry, or by an empty tensor "v_pred" (NoobAI-XL). Of Stable Diffusion 2 the 768
    pixel models predict v and the 512 pixel ones noise; ComfyUI tells them by the deviation of one layer's biases.
    """
    said = head.metadata.get("modelspec.prediction_type")
    if said is not None:
        return said.startswith("v")
    if kind != "2" or "v_pred" in head.shapes:
        return "v_pred" in head.shapes
    return _LAST_NORM in head.shapes and float(head.tensor(_LAST_NORM).float().std(correction=0)) > _TELLS_V


def size_of(metadata: Mapping[str, str]) -> int | None:
    """The side in pixels that ModelSpec's entry, such as "1024x1024", gives; None where there is none."""
    found = re.fullmatch(r"(\d{2,4})x(\d{2,4})", metadata.get("modelspec.resolution", ""))
    return min(int(found[1]), int(found[2])) if found else None
