"""Loading checkpoints."""

from collections.abc import Sequence
from pathlib import Path

from zeroshift.backbones.checkpoint import (
    USUAL,
    Checkpoint,
    ClipFolder,
    Device,
    Memory,
    Precision,
    Speed,
    find_checkpoint,
    find_clip,
)
from zeroshift.backbones.one_file import OneFile
from zeroshift.diffusion.backbone import Backbone, Identity, Unsupported


def load_backbone(
    model: str | Path | None = None,
    *,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    device: Device = "auto",
    precision: Precision = "auto",
    clip: str | Path | None = None,
    memory: Memory = "auto",
) -> Backbone:
    """Load a checkpoint; see ``zeroshift.load``.

    Raises:
        ValueError: there is no such folder, repository or device.
        Unsupported: a part is missing or damaged, weights are pickled, or it is of no family that is loaded.
    """
    apart = None if clip is None else find_clip(clip, cache_dir)
    return open_backbone(find_checkpoint(model, revision, cache_dir), device, precision, apart, memory=memory)


def open_backbone(
    checkpoint: Checkpoint | OneFile,
    device: Device = "auto",
    precision: Precision = "auto",
    clip: ClipFolder | None = None,
    loras: Sequence[str] = (),
    memory: Memory = "auto",
    speed: Speed = USUAL,
) -> Backbone:
    """Load a checkpoint that was found, with ``loras`` ("FILE" or "FILE:WEIGHT").

    Raises:
        ValueError: there is no such device or LoRA.
        Unsupported: a part is damaged.
    """
    from zeroshift.backbones.lora import Lora
    from zeroshift.backbones.read import read  # diffusers takes seconds to import

    return read(checkpoint, device, precision, clip, [Lora.parse(lora) for lora in loras], memory, speed)


__all__ = ["Backbone", "Identity", "Unsupported", "load_backbone", "open_backbone"]
