"""Which decoder layers are replayed, how much of the source they get, and what is done to it on the way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import cos, exp, pi
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from zeroshift.diffusion.backbone import Unsupported
from zeroshift.diffusion.schedule import Schedule
from zeroshift.diffusion.sites import Site

Mixing = Literal["hard", "constant", "linear-t", "linear-i", "cosine", "exponential"]
Matching = Literal["off", "attention", "nearest"]
SCALE, BLOCK = 4, 1
"""the replayed feature: the second residual block of the decoder's stage at a quarter of the latent's side"""


@dataclass(frozen=True)
class Layers:
    """Where the source is replayed."""

    features: tuple[Site, ...]
    """residual blocks, the decoder's first"""
    attention: tuple[Site, ...]
    """the decoder's self-attention layers after the first of them"""


def decoder_layers(sites: Sequence[Site]) -> Layers:
    """The layers of Plug-and-Play (section 4): one residual block, self-attention from there on.

    In Stable Diffusion these are ``up_blocks.1.resnets.1`` and, from ``up_blocks.1.attentions.1`` on, eight layers.

    Raises:
        Unsupported: the network has no such block.
    """
    blocks = [site for site in sites if (site.kind, site.stage, site.scale) == ("conv", "up", SCALE)]
    if len(blocks) <= BLOCK:
        raise Unsupported(
            f"Replay starts at the second residual block of the decoder stage at 1/{SCALE} of the latent's side, and "
            f"this network has {len(blocks)} there; take another control, such as `control` none."
        )
    first = blocks[BLOCK]
    later = (site for site in sites if (site.kind, site.stage) == ("self", "up") and site.order > first.order)
    return Layers((first,), tuple(later))


def more_features(sites: Sequence[Site], first: Site, extra: int, encoder: bool) -> tuple[Site, ...]:
    """``first``, the ``extra`` decoder blocks after it, and with ``encoder`` the encoder's of its scale.

    Raises:
        ValueError: the decoder has fewer blocks after ``first``.
    """
    blocks = [site for site in sites if site.kind == "conv"]
    after = [site for site in blocks if site.stage == "up" and site.order > first.order]
    if extra > len(after):
        raise ValueError(
            f"The decoder has {len(after)} residual blocks after the first that is replayed, not {extra}; "
            "ask for fewer extra features."
        )
    beside = [site for site in blocks if site.stage == "down" and site.scale == first.scale] if encoder else []
    return (*beside, first, *after[:extra])


def feature_shares(mixing: Mixing, mix: float, until: int, schedule: Schedule) -> tuple[float, ...]:
    """The source's share of the feature at every step: ``mix`` times the course ``mixing``.

    "hard" is 1 before step ``until`` and 0 from there on (the paper's); the others run over all steps, "linear-t" with
    the timestep, "linear-i" with the step, "exponential" down to e^-6.
    """
    steps, trained = schedule.steps, schedule.train_steps
    courses: dict[Mixing, Callable[[int], float]] = {
        "hard": lambda i: float(i < until),
        "constant": lambda i: 1.0,
        "linear-t": lambda i: schedule.timesteps[i] / trained,
        "linear-i": lambda i: 1 - i / steps,
        "cosine": lambda i: (1 + cos(pi * i / steps)) / 2,
        "exponential": lambda i: exp(-6 * i / steps),
    }
    return tuple(mix * courses[mixing](i) for i in range(steps))


def for_rows(source: Tensor, rows: int, pictures: int) -> Tensor:
    """Give each of the target's prompt rows one of the source's (S * pictures, ...): (rows * pictures, ...).

    Rows are paired from the last, which is the prompt's, and the source's first stands for those it lacks.
    """
    own: Tensor = source.unflatten(0, (-1, pictures))
    if len(own) == rows:
        return source
    if len(own) == 1:
        return torch.flatten(own.expand(rows, *own.shape[1:]), 0, 1)  # a view for one picture
    return torch.cat([own[max(0, len(own) - rows + row)] for row in range(rows)])


def aligned(source: Tensor, target: Tensor, how: Matching) -> Tensor:
    """Move source features (N, C, h, w) to where the target's features resemble them, picture by picture.

    "attention" returns softmax(f_target f_source^T / sqrt(C)) f_source, "nearest" the source's feature of the largest
    cosine for every cell, "off" the source itself.
    """
    if how == "off":
        return source
    theirs, own = (x.flatten(2).transpose(1, 2) for x in (source, target))  # (N, h * w, C)
    if how == "attention":
        moved = F.scaled_dot_product_attention(own, theirs, theirs)
    else:
        closest = (F.normalize(own, dim=-1) @ F.normalize(theirs, dim=-1).transpose(1, 2)).argmax(-1, keepdim=True)
        moved = theirs.gather(1, closest.expand(-1, -1, theirs.shape[-1]))
    return moved.transpose(1, 2).reshape(target.shape)
