"""Photographs as a model draws them: their own outlines in its softness and colours."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionImg2ImgPipeline
from diffusers.utils.logging import disable_progress_bar
from PIL import Image
from torch import Tensor

from zeroshift.backbones.whole import loading, no_bars

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
    with loading(f"the model in {model}", "its files"), no_bars():
        disable_progress_bar()
        pipeline = StableDiffusionImg2ImgPipeline.from_pretrained(model, safety_checker=None, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    views = [Image.fromarray(picture.permute(1, 2, 0).numpy()) for picture in pictures]
    drawn: list[Image.Image] = []
    for strength in STRENGTHS:
        for at in range(0, len(views), BATCH):
            part = range(at, min(at + BATCH, len(views)))
            made = pipeline(
                [captions[k] for k in part],
                image=[views[k] for k in part],
                strength=strength,
                guidance_scale=SCALE,
                num_inference_steps=STEPS,
                generator=[torch.Generator().manual_seed(seed + k) for k in part],
            )
            drawn += made.images
    return torch.from_numpy(np.stack([np.asarray(picture) for picture in drawn])).permute(0, 3, 1, 2)
