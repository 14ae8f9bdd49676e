"""CPU seconds and memory: ours and the authors' procedure in turns in one process, on the shipped model.

Seconds are of the process, so that whatever else the machine does counts little; with one thread they are those of the
clock. Memory is counted in the round that warms up, which is not timed.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import Tensor

from benchmarks.pairs import PAIRS
from benchmarks.pipeline import FAST_NAME, of_fast, of_pipeline
from benchmarks.pipeline import NAME as PIPELINE
from benchmarks.setting import Pair, Setting, ours
from zeroshift.backbones import load_backbone
from zeroshift.backbones.clip import Towers
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.conditioning.direction import direction_of_words
from zeroshift.image import load_image
from zeroshift.image.tensors import to_tensor
from zeroshift.inversion.base import finished
from zeroshift.memory.held import bytes_held

ROWS = {**PAIRS, PIPELINE: of_pipeline, FAST_NAME: of_fast}
FEW = 4
"""sampling steps of the comparison in float64"""


@dataclass(frozen=True)
class Times:
    """What one row of the table says of the shipped model."""

    ours_s: float
    """median"""
    official_s: float
    ours_bytes: int
    """of tensors beside the weights, at the fullest moment"""
    official_bytes: int
    difference: float | None
    """largest difference of the edited latents in fp32; None where results are not the same by design"""
    double_difference: float | None
    """the same in float64 after a few steps"""


def shipped(steps: int | None, inner_steps: int | None) -> Setting:
    """The shipped model and ``examples/cat.png``, squeezed to its size."""
    backbone = load_backbone(device="cpu", precision="fp32")
    assert isinstance(backbone, StableDiffusion)  # which the shipped model is
    side = backbone.size
    image = load_image("examples/cat.png").image.resize((side, side), Image.Resampling.LANCZOS)
    direction = direction_of_words(backbone, "cat", "dog", 200)
    return Setting(backbone, to_tensor([image]), direction, steps, inner_steps=inner_steps)


def held(name: str, at: Setting) -> tuple[int, int]:
    """The most bytes that tensors of ours and of the authors' take at a time, beside the weights."""
    own, official = works_of(ROWS[name](at), at)
    return bytes_held(own).peak, bytes_held(official).peak


def timed(name: str, at: Setting, repeats: int) -> Times:
    """Run both ``repeats`` times after one round that warms up and counts memory."""
    memory = held(name, at)
    pair = ROWS[name](at)
    works, seconds = works_of(pair, at), list[list[float]]()
    for _ in range(repeats):
        results, round_ = list[Tensor](), list[float]()
        for work in works:
            started = time.process_time()
            results.append(work())
            round_.append(time.process_time() - started)
        seconds.append(round_)
    own, other = (statistics.median(column) for column in zip(*seconds, strict=True))
    if not pair.equal:
        return Times(own, other, *memory, None, None)
    return Times(own, other, *memory, apart(results), agreement(name, at))


def works_of(pair: Pair, at: Setting) -> tuple[Callable[[], Tensor], Callable[[], Tensor]]:
    """Ours and the authors' edit, both from picture to picture; they return the edited latent."""

    def own() -> Tensor:
        return shown(ours(at, pair.method, at.backbone.encode(at.pictures)))

    def official() -> Tensor:
        return shown(finished(pair.official(at.backbone.encode(at.pictures))))

    @torch.no_grad()
    def shown(latent: Tensor) -> Tensor:
        at.backbone.decode(latent)
        return latent

    return own, official


def agreement(name: str, at: Setting) -> float:
    """The largest difference of the edited latents in float64, where rounding can neither hide nor make one."""
    towers = at.backbone.clip
    assert isinstance(towers, Towers)
    networks = at.backbone.unet, at.backbone.vae, at.backbone.text_encoder, towers.vision
    for network in networks:
        network.double()
    steps = min(at.steps or FEW, FEW)
    few = replace(at, pictures=at.pictures.double(), steps=steps, inversion_steps=steps, inner_steps=5)
    found = apart([work() for work in works_of(PAIRS[name](few), few)])
    for network in networks:
        network.float()
    return found


def apart(results: Sequence[Tensor]) -> float:
    return float((results[0] - results[1]).abs().max())
