"""What a restorer learns from: photographs that the model begins to draw again, and edits into other animals."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from time import monotonic
from typing import final

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from zeroshift.backbones.whole import loading
from zeroshift.conditioning.task import complete_source
from zeroshift.files import regular, write_atomically
from zeroshift.miniature.training.loop import TrainPrecision, in_bf16
from zeroshift.miniature.training.redrawn import BATCH, Redrawer

SAME, OTHER = (0.05, 0.55), (0.5, 0.75)
"""shares of the noise that pictures are drawn again from: as what they show, and as another animal"""
FEWEST, MOST, OF_OTHERS = 1, 3, 6
"""steps: few leave blurs as an edit's last ones do, and an edit needs some to become another animal"""
SCALE_SAME, SCALE_OTHER = (1.0, 4.0), (3.0, 6.0)
"""guidance scales"""
EDITS = 3
"""one batch of so many is of edits"""


@final
@dataclass(frozen=True, eq=False)
class RestorerExamples:
    """Drawn pictures, and of each the photograph that it was drawn from and the animal that it was to show."""

    drawn: Tensor
    """uint8 (N, 3, S, S)"""
    begun: Tensor
    """the photographs' numbers (N,)"""
    target: Tensor
    """the animals' numbers (N,)"""
    noise: Tensor
    """shares of the noise (N,)"""


def draw_examples(
    by: Redrawer,
    pictures: Tensor,
    animals: Tensor,
    names: Sequence[str],
    *,
    count: int,
    seed: int,
    precision: TrainPrecision,
    seconds: float | None = None,
) -> RestorerExamples:
    """At least ``count`` examples of photographs uint8 (N, 3, S, S) of ``animals`` (N,), numbers of ``names``.

    Frequent animals are drawn oftener, by the square roots of their numbers; of one animal alone there are no edits.
    Within a limit of ``seconds`` there may be fewer: a batch that was begun is finished, and at least ``EDITS`` are
    drawn, so that there are some of every kind.
    """
    random = torch.Generator().manual_seed(seed)
    often = torch.bincount(animals, minlength=len(names)).float().sqrt()
    each, several = (1 / often)[animals], int((often > 0).sum()) > 1
    found, began = list[tuple[Tensor, ...]](), monotonic()
    for n in range(ceil(count / BATCH)):
        begun = torch.multinomial(each, BATCH, replacement=True, generator=random)
        edits = n % EDITS == EDITS - 1 and several
        target = _others(animals[begun], often, random) if edits else animals[begun]
        strength = _between(OTHER if edits else SAME, random)
        steps = OF_OTHERS if edits else int(torch.randint(FEWEST, MOST + 1, (), generator=random))
        scale = _between(SCALE_OTHER if edits else SCALE_SAME, random)
        prompts = [complete_source(names[k]) for k in target]
        with torch.autocast("cpu", torch.bfloat16, enabled=in_bf16(precision)):
            drawn = by.drawn(
                pictures[begun],
                prompts,
                [seed + n * BATCH + k for k in range(BATCH)],
                strength=strength,
                steps=ceil(steps / strength),
                scale=scale,
            )
        found.append((drawn, begun, target, torch.full((BATCH,), strength)))
        if seconds is not None and monotonic() - began > seconds and len(found) >= EDITS:
            break
    return RestorerExamples(*map(torch.cat, zip(*found, strict=True)))


def save_examples(examples: RestorerExamples, path: Path) -> None:
    """Write them to a file of safetensors."""
    write_atomically(path, save({name: value.contiguous() for name, value in vars(examples).items()}))


def load_examples(path: Path) -> RestorerExamples:
    """Read what ``save_examples`` wrote.

    Raises:
        ValueError: it is something else.
    """
    with loading(f"the restorer's examples in {path}", "what lies there"):
        return RestorerExamples(**load_file(regular(path)))


def _others(animals: Tensor, often: Tensor, random: torch.Generator) -> Tensor:
    weights = often.repeat(len(animals), 1).scatter(1, animals[:, None], 0)
    return torch.multinomial(weights, 1, generator=random)[:, 0]


def _between(limits: tuple[float, float], random: torch.Generator) -> float:
    low, high = limits
    return float(low + (high - low) * torch.rand((), generator=random))
