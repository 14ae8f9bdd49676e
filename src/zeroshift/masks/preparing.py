"""What segmentation networks of all formats share: how they want pictures, and which class is the subject."""

from collections.abc import Sequence
from dataclasses import dataclass
from os.path import lexists
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from zeroshift.backbones.whole import read_object
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.sentences import contains_word

_REST = ("background", "other", "unlabeled")
_USUAL = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""mean and deviation of colours where a folder says none: ImageNet's"""


def share_of(shares: Tensor, labels: Sequence[str], subject: str, what: str) -> Tensor:
    """How much of every place is the subject's, (B, 1, h, w), by the shares of classes (B, classes, h, w).

    Raises:
        Unsupported: there are no labels for them, or neither one with the subject's name nor one for the background.
    """
    named, rest = classes_of(labels, subject)
    if len(labels) != shares.shape[1] or not (named or rest):
        raise Unsupported(
            f'{what[0].upper()}{what[1:]} knows no "{subject}", and none of its classes is the background; take '
            "another one."
        )
    found = shares[:, named].sum(1, keepdim=True) if named else 1 - shares[:, rest].sum(1, keepdim=True)
    return found.clamp(0, 1)


def classes_of(labels: Sequence[str], subject: str) -> tuple[list[int], list[int]]:
    """Which classes have the subject in their names, and which are the background."""
    folded = [str(label).casefold() for label in labels]
    named = [n for n, label in enumerate(folded) if subject and contains_word(label, subject.casefold())]
    return named, [n for n, label in enumerate(folded) if label in _REST]


@dataclass(frozen=True, eq=False)
class Preparation:
    """How a network wants pictures."""

    side: tuple[int, ...] | None
    """height and width; None: as they are"""
    mean: Tensor
    """of its colours, (1, 3, 1, 1)"""
    deviation: Tensor

    def of(self, x: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in [0, 1] as the network wants them."""
        small = F.interpolate(x, size=self.side, mode="bilinear", antialias=True) if self.side else x
        return (small - self.mean.to(x)) / self.deviation.to(x)


def preparation_in(root: Path, what: str) -> Preparation:
    """What ``preprocessor_config.json`` in a folder says, or ImageNet's colours where there is none.

    Raises:
        Unsupported: it is no table.
    """
    file = root / "preprocessor_config.json"
    facts = read_object(file, what) if lexists(file) else {}
    colours = (facts.get("image_mean", _USUAL[0]), facts.get("image_std", _USUAL[1]))
    mean, deviation = (torch.tensor(np.asarray(one, np.float32))[None, :, None, None] for one in colours)
    return Preparation(side_of(facts.get("size")), mean, deviation)


def side_of(size: Any) -> tuple[int, int] | None:  # noqa: ANN401 - what a configuration says
    """Height and width that pictures are brought to, by transformers' ways of saying it; None: as they are."""
    if isinstance(size, int):
        return (size, size)
    if isinstance(size, dict) and {"height", "width"} <= size.keys():
        return (int(size["height"]), int(size["width"]))
    if isinstance(size, dict) and "shortest_edge" in size:
        return (int(size["shortest_edge"]),) * 2
    return None
