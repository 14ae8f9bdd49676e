"""From a folder or hub id to an editor."""

from pathlib import Path

from zeroshift.backbones import load_backbone
from zeroshift.backbones.checkpoint import SHIPPED, Device, Precision
from zeroshift.editor import Editor
from zeroshift.presets import read_presets


def load(
    model: str | Path | None = None,
    *,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    device: Device = "auto",
    precision: Precision = "auto",
    clip: str | Path | None = None,
) -> Editor:
    """Load a model: the shipped one, a Stable Diffusion 1.x/2.x folder in diffusers format, or a hub id.

    Args:
        model: folder or hub id; None is the model that comes with the package.
        revision: hub revision.
        cache_dir: where hub downloads are kept.
        device: "auto" takes CUDA, else MPS, else the CPU.
        precision: "auto" is fp16 on CUDA, else fp32.
        clip: folder or hub id of a CLIP to compare pictures with; default the model's own, if it has one.

    Raises:
        ValueError: the model cannot be found or loaded; the sentence says why.
    """
    backbone = load_backbone(
        model, revision=revision, cache_dir=cache_dir, device=device, precision=precision, clip=clip
    )
    folder = SHIPPED if model is None else Path(model)
    return Editor(backbone, read_presets(folder))
