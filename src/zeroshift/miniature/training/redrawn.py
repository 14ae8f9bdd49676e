"""Photographs as a model draws them: their own outlines in its softness and colours."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import final

import numpy as np
import torch
from diffusers import StableDiffusionImg2ImgPipeline
from diffusers.utils.logging import disable_progress_bar
from torch import Tensor

from zeroshift.backbones.whole import loading, no_bars
from zeroshift.files import sha256_of
from zeroshift.image.tensors import from_bytes
from zeroshift.miniature.classifier import resized
from zeroshift.miniature.quality.subject import picture_size
from zeroshift.miniature.training.loop import StageOptions

STRENGTHS = (0.3, 0.5)
"""shares of the noise from which pictures are drawn again, by SDEdit: up to about a half outlines stay"""
STEPS, SCALE, BATCH = 25, 4.0, 16
DRAWING = 1 / 3
"""share of a training's time limit in which the model draws what is learned from, at most"""


def check_model(model: Path) -> None:
    """See that a folder holds a model, before the work begins.

    Raises:
        ValueError: it does not.
    """
    if not (model / "model_index.json").is_file():
        raise ValueError(f"{model} has no model_index.json; give the folder of a model in diffusers' format.")


def weights_of(model: Path) -> str:
    """The hash of what a model's folder draws by: whose drawings they are, wherever the folder lies."""
    files = [path for part in ("text_encoder", "unet", "vae") for path in model.glob(f"{part}/*") if path.is_file()]
    return sha256_of(files, model)


def drawing_time(minutes: float | None) -> float | None:
    """The seconds of a time limit in which the model may draw; None without a limit."""
    return None if minutes is None else 60 * DRAWING * minutes


def after_drawing(options: StageOptions) -> StageOptions:
    """A stage with what drawing leaves it of its time."""
    return replace(options, minutes=None if options.minutes is None else (1 - DRAWING) * options.minutes)


@final
@dataclass(frozen=True, eq=False)
class Redrawer:
    """A model that draws pictures again from a share of the noise: SDEdit (Meng et al. 2022)."""

    pipeline: StableDiffusionImg2ImgPipeline

    @property
    def side(self) -> int:
        """Of the pictures that the model draws, in pixels."""
        return picture_size(self.pipeline)

    def drawn(
        self,
        pictures: Tensor,
        captions: Sequence[str],
        seeds: Sequence[int],
        *,
        strength: float,
        steps: int = STEPS,
        scale: float = SCALE,
    ) -> Tensor:
        """Pictures (N, 3, S, S) drawn again from ``strength`` of the noise, both uint8.

        ``steps`` are those of all of the noise, of which a share is taken; ``scale`` is that of guidance.
        """
        made = self.pipeline(
            list(captions),
            image=from_bytes(pictures),
            strength=strength,
            guidance_scale=scale,
            num_inference_steps=steps,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
        )
        return torch.from_numpy(np.stack([np.asarray(picture) for picture in made.images])).permute(0, 3, 1, 2)


def open_redrawer(model: Path) -> Redrawer:
    """Open a model's folder in diffusers' format.

    Raises:
        ValueError: the folder holds no such model.
    """
    with loading(f"the model in {model}", "its files"), no_bars():
        disable_progress_bar()
        pipeline = StableDiffusionImg2ImgPipeline.from_pretrained(model, safety_checker=None, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return Redrawer(pipeline)


def redrawn(
    model: Path, pictures: Tensor, captions: Sequence[str], seed: int, seconds: float | None = None
) -> tuple[Tensor, ...]:
    """The pictures at each of ``STRENGTHS``, in that order, all uint8 (M, 3, S, S).

    M is N, or fewer, of the first pictures, where the time is over before all are drawn; some always are.

    Args:
        model: a model's folder in diffusers' format, which draws them at its own size.
        pictures: uint8 (N, 3, S, S).
        captions: what each shows.
        seed: of the noise.
        seconds: time limit; a batch that was begun is finished.

    Raises:
        ValueError: the folder holds no such model.
    """
    by, began = open_redrawer(model), monotonic()
    drawn: list[list[Tensor]] = [[] for _ in STRENGTHS]
    for at in range(0, len(pictures), BATCH):
        part = slice(at, at + BATCH)
        seeds, begun = [seed + k for k in range(len(pictures))[part]], _sized(pictures[part], by.side)
        for found, strength in zip(drawn, STRENGTHS, strict=True):
            made = by.drawn(begun, captions[part], seeds, strength=strength)
            found.append(_sized(made, pictures.shape[-1]))
        if seconds is not None and monotonic() - began > seconds:
            break
    return tuple(map(torch.cat, drawn))


def _sized(pictures: Tensor, side: int) -> Tensor:
    return resized(pictures, side).round().to(torch.uint8)
