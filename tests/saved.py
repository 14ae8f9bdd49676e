"""Inversions to save."""

import numpy as np
import torch
from PIL import Image

from zeroshift.asked.request import Request
from zeroshift.conditioning.shift import EditDirection
from zeroshift.conditioning.task import make_task
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.image import Photo
from zeroshift.methods import Pix2PixZero

METHOD = Pix2PixZero(steps=3, conditioning=EditDirection(words="swap"))
REQUEST = Request(make_task("cat", "dog"), METHOD)
FACTS = {"model_sha256": "0" * 64, "prompt": "a photo of a cat"}


def picture(seed: int) -> Photo:
    pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    return Photo.of(Image.fromarray(pixels))


def random_trajectory(backbone, dtype: torch.dtype, replayed: bool, steps: int = 5) -> Trajectory:
    generator = torch.Generator().manual_seed(0)
    latents = tuple(torch.randn(2, 4, 8, 8, dtype=dtype, generator=generator) for _ in range(steps))
    return Trajectory(backbone.schedule(steps), latents, replayed)
