"""Where the animal is in a picture: the mask ``auto`` of the shipped model, for words that it was trained on.

A small network says of every pixel whether it is the animal's, also of pictures that the model drew.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import final

import torch
import torch.nn.functional as F
from PIL import Image
from pydantic import BaseModel
from torch import Tensor

from zeroshift.backbones.whole import loading, read_object
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.files import sha256_of
from zeroshift.image.cutting import INSIDE
from zeroshift.image.tensors import to_tensor
from zeroshift.miniature.saved import CONFIG, WEIGHTS, check_saved, save_network, saved_state
from zeroshift.miniature.segmenter_network import SegmenterNetwork
from zeroshift.words import words_of

SURE = 0.9
"""the network's probability from which on a place counts as the animal's; a mask's border brings the outline back"""


class SegmenterConfig(BaseModel):
    """Everything but the weights; see ``TrainedSegmenter``."""

    animals: tuple[str, ...]
    kinds: tuple[str, ...]
    trained_on: str
    figures: dict[str, float]


@final
@dataclass(frozen=True, eq=False)
class TrainedSegmenter:
    """A trained network, and the words for what it finds."""

    network: SegmenterNetwork
    animals: tuple[str, ...]
    """the words that name what it finds, such as "cat", "terrier" """
    kinds: tuple[str, ...] = ()
    """words that may stand beside one of them, such as "black", "boston" """
    trained_on: str = ""
    """the pictures, in words"""
    figures: dict[str, float] = field(default_factory=dict)
    """what was measured when it was trained"""

    def knows(self, subject: str) -> bool:
        """Whether a subject is one of the animals and nothing beside: "a black cat", not "a cat with a hat"."""
        words = set(words_of(subject.replace("grey", "gray")))
        return bool(words & {*self.animals}) and words <= {*self.animals, *self.kinds, "an", "the"}

    def where(self, pictures: Sequence[Image.Image]) -> Tensor:
        """How surely each place of RGB pictures of one size is the animal's, (B, 1, H, W) in [0, 1].

        Where the network's probability is ``SURE``, that is the value from which on a place is cut out.
        """
        found = F.interpolate(self.probabilities(pictures), pictures[0].size[::-1], mode="bilinear")
        return (found.logit(1e-6) - logit(SURE) + logit(INSIDE)).sigmoid()

    @torch.no_grad()
    def probabilities(self, pictures: Sequence[Image.Image]) -> Tensor:
        """The network's own of RGB pictures of one size, those of mirrored ones with them, (B, 1, h, w)."""
        x = to_tensor(list(pictures))
        both: Tensor = (self.network(x).sigmoid() + self.network(x.flip(-1)).sigmoid().flip(-1)) / 2
        return both


@final
@dataclass(frozen=True, eq=False)
class OwnSegmenter:
    """The segmenter of a model's folder, read at the first picture: a ``zeroshift.masks.locating.Segmenter``."""

    folder: Path
    open_segmenter: Callable[[Path], TrainedSegmenter]

    @cached_property
    def trained(self) -> TrainedSegmenter:
        """The segmenter, read once."""
        self._check()
        return self.open_segmenter(self.folder)

    def _check(self) -> None:
        if not (self.folder / WEIGHTS).is_file():
            raise Unsupported(
                f"The segmenter {self.folder} has no {WEIGHTS}; get the model anew, or take `segmenter` words."
            )

    @cached_property
    def sha256(self) -> str:
        """The hash of its weights.

        Its words do not change what it finds, but what it is asked about: with others a recipe of the mask ``grown``
        may be made again with another mask.
        """
        self._check()
        return sha256_of([self.folder / WEIGHTS], self.folder)

    @property
    def strict(self) -> bool:
        """The words are asked for what it does not know."""
        return False

    def knows(self, subject: str) -> bool:
        """Whether the subject is one of the animals that it was trained on."""
        return self.trained.knows(subject)

    def where(self, pictures: Sequence[Image.Image], subject: str) -> Tensor:
        """How surely each place of pictures of one size shows the animal, whichever it is, (B, 1, H, W) in [0, 1].

        Raises:
            ValueError: a file of the segmenter is missing or damaged.
        """
        return self.trained.where(pictures)


def load_segmenter(folder: str | Path) -> TrainedSegmenter:
    """Read a segmenter from ``config.json`` and ``model.safetensors`` in ``folder``, in float32.

    Raises:
        ValueError: one of the two files is missing or damaged, or they do not fit each other.
    """
    folder = Path(folder)
    check_saved(folder, "segmenter")
    with loading(f"the segmenter in {folder}", "config.json and model.safetensors"):
        known = SegmenterConfig.model_validate(read_object(folder / CONFIG, "the segmenter"))
        network = SegmenterNetwork()
        network.load_state_dict(saved_state(folder))
    network.eval().requires_grad_(False)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return TrainedSegmenter(network, known.animals, known.kinds, known.trained_on, known.figures)


def save_segmenter(segmenter: TrainedSegmenter, folder: str | Path) -> None:
    """Write ``config.json`` and ``model.safetensors`` (float16) into ``folder``."""
    config = {
        "animals": segmenter.animals,
        "kinds": segmenter.kinds,
        "trained_on": segmenter.trained_on,
        "figures": segmenter.figures,
    }
    save_network(Path(folder), segmenter.network, config)


def is_own(folder: Path) -> bool:
    """Whether a folder holds a segmenter as this module saves it, and not as transformers does."""
    try:
        return "animals" in read_object(folder / CONFIG, "the segmenter")
    except ValueError:
        return False


def read_segmenter(folder: str | Path) -> OwnSegmenter:
    """The segmenter of a folder, which is read at the first picture."""
    return OwnSegmenter(Path(folder), load_segmenter)


def logit(probability: float) -> float:
    """Its logarithm of odds."""
    return math.log(probability / (1 - probability))
