"""Photographs as a model draws them: their own outlines in its softness and colours."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
from diffusers import StableDiffusionImg2ImgPipeline
from diffusers.utils.logging import disable_progress_bar
from torch import Tensor

from zeroshift.backbones.whole import loading, no_bars
from zeroshift.image.tensors import from_bytes
from zeroshift.miniature.quality.subject import picture_size

STRENGTHS = (0.3, 0.5)
"""shares of the noise from which pictures are drawn again, by SDEdit: up to about a half outlines stay"""
STEPS, SCALE, BATCH = 25, 4.0, 16


def check_model(model: Path) -> None:
    """See that a folder holds a model, before the work begins.

    Raises:
        ValueError: it does not.
    """
    if not (model / "model_index.json").is_file():
        raise ValueError(f"{model} has no model_index.json; give the folder of a model in diffusers' format.")


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


def redrawn(model: Path, pictures: Tensor, captions: Sequence[str], seed: int) -> Tensor:
    """All pictures at each of ``STRENGTHS``, uint8 (len(STRENGTHS) * N, 3, S, S), in that order.

    Args:
        model: a model's folder in diffusers' format.
        pictures: uint8 (N, 3, S, S), of the model's size.
        captions: what each shows.
        seed: of the noise.

    Raises:
        ValueError: the folder holds no such model.
    """
    by, drawn = open_redrawer(model), list[Tensor]()
    for strength in STRENGTHS:
        for at in range(0, len(pictures), BATCH):
            part = slice(at, at + BATCH)
            seeds = [seed + k for k in range(len(pictures))[part]]
            drawn.append(by.drawn(pictures[part], captions[part], seeds, strength=strength))
    return torch.cat(drawn)
