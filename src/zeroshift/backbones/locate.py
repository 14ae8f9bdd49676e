"""Finding a checkpoint: the shipped one, a local folder, or a hub repository; refusing what cannot be used, early."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zeroshift.backbones.base import Unsupported

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "fp32", "fp16", "bf16"]

SHIPPED = Path(__file__).parent.parent / "shipped"
"""the model that comes with the package"""
PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
_WEIGHTS = ("unet", "vae", "text_encoder")
_HUB_ID = re.compile(r"^[\w.-]+/[\w.-]+$")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on this machine that has every part."""

    root: Path
    name: str
    revision: str | None
    variant: str | None
    """"fp16" where only half-precision weight files are there"""


def find_checkpoint(model: str | Path | None, revision: str | None, cache_dir: str | Path | None) -> Checkpoint:
    """Return the checkpoint ``model`` (None: the shipped one; a folder; or a hub id, downloaded if need be).

    Raises:
        ValueError: there is no such folder or repository.
        Unsupported: a part is missing, weights are pickled, or the layout is not Stable Diffusion 1.x or 2.x.
    """
    if model is None:
        return check(SHIPPED, "shipped", None)
    folder = Path(model)
    if folder.is_dir():
        return check(folder, folder.resolve().name, None)
    if folder.is_file():
        raise ValueError(f"{model} is a file; give the folder of a checkpoint in diffusers format, or a hub id.")
    if not _HUB_ID.match(str(model)):
        raise ValueError(f"There is no folder {model}, and it is not a hub id such as owner/name; check the name.")
    return check(_download(str(model), revision, cache_dir), str(model), revision)


def check(root: Path, name: str, revision: str | None) -> Checkpoint:
    """Refuse a folder that cannot be loaded.

    Raises:
        Unsupported: a part is missing, weights are pickled, or the layout is another.
    """
    for part in PARTS:
        if not (root / part).is_dir():
            raise Unsupported(
                f"The checkpoint {name} has no {part} folder; zeroshift loads Stable Diffusion 1.x and 2.x in "
                "diffusers format."
            )
    if (root / "text_encoder_2").is_dir():
        raise Unsupported(f"The checkpoint {name} has two text encoders; zeroshift loads Stable Diffusion 1.x and 2.x.")
    variants = [_variant(root, name, part) for part in _WEIGHTS]
    _check_channels(root, name)
    return Checkpoint(root, name, revision, "fp16" if "fp16" in variants else None)


def _variant(root: Path, name: str, part: str) -> str | None:
    weights = [path.name for path in (root / part).glob("*.safetensors")]
    if not weights:
        pickled = any((root / part).glob("*.bin")) or any((root / part).glob("*.ckpt"))
        what = "only pickled weights, which can run code when opened" if pickled else "no weights"
        raise Unsupported(f"The {part} of {name} has {what}; zeroshift loads .safetensors only, so convert it first.")
    return "fp16" if all(".fp16" in weight for weight in weights) else None


def _check_channels(root: Path, name: str) -> None:
    channels = {}
    for part, key in (("unet", "in_channels"), ("vae", "latent_channels")):
        try:
            channels[part] = json.loads((root / part / "config.json").read_text(encoding="utf-8"))[key]
        except (OSError, ValueError, KeyError) as error:
            raise Unsupported(f"The {part} of {name} has no readable config.json with {key}; get it anew.") from error
    if channels["unet"] != channels["vae"]:
        raise Unsupported(
            f"The UNet of {name} takes {channels['unet']} channels and its VAE gives {channels['vae']}: an inpainting "
            "or depth model; use a plain text-to-image checkpoint."
        )


def _download(model: str, revision: str | None, cache_dir: str | Path | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    wanted = [f"{part}/*{end}" for part in PARTS for end in (".json", ".txt", ".safetensors")]
    skipped = ["*.fp16.*", "*.non_ema.*", "*flax*", "*openvino*", "*onnx*"]
    try:
        folder = snapshot_download(
            model,
            revision=revision,
            cache_dir=cache_dir,
            allow_patterns=[*wanted, "model_index.json"],
            ignore_patterns=skipped,
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"The checkpoint {model} is not in the cache and cannot be downloaded ({reason}).") from error
    return Path(folder)
