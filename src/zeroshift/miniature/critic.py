"""How good a small model's results look: a linear reading of what its segmenter's trunk sees of them.

Of several results the one is taken that scores highest, as human feedback is used to choose among samples (ImageReward;
Xu et al. 2023, arXiv:2304.05977, section 4.1). Scores were given by language models that see.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from os.path import lexists
from pathlib import Path
from typing import final

import torch
import torch.nn.functional as F
from PIL import Image
from pydantic import BaseModel
from torch import Tensor

from zeroshift.backbones.checkpoint import CRITIC, SEGMENTER
from zeroshift.backbones.whole import loading, read_object
from zeroshift.distillation.trunk import Trunk
from zeroshift.files import sha256_of
from zeroshift.image.tensors import to_tensor
from zeroshift.miniature.critic_network import CriticNetwork
from zeroshift.miniature.restorer import speaks_of
from zeroshift.miniature.saved import CONFIG, WEIGHTS, check_saved, save_network, saved_state
from zeroshift.miniature.segmenter import load_segmenter
from zeroshift.miniature.segmenter_network import SIDE

WORST, BEST = 0.0, 4.0
"""scores: broken, and such that nobody would take it for anything but a photograph"""


class CriticConfig(BaseModel):
    """Everything but the weights; see ``TrainedCritic``."""

    animals: tuple[str, ...]
    enough: float
    better_by: float
    segmenter_sha256: str
    trained_on: str
    figures: dict[str, float]


@final
@dataclass(frozen=True, eq=False)
class TrainedCritic:
    """A trained network, what it sees by, and the words for what it judges."""

    trunk: Trunk
    network: CriticNetwork
    animals: tuple[str, ...]
    """the words that name what it judges, such as "cat", "terrier" """
    enough: float
    """the score from which on nothing else is tried"""
    better_by: float
    """by how much more something else is to score"""
    segmenter_sha256: str = ""
    """of the segmenter's weights, whose trunk it sees by"""
    trained_on: str = ""
    """the pictures, in words"""
    figures: dict[str, float] = field(default_factory=dict)
    """what was measured when it was trained"""

    def knows(self, prompt: str) -> bool:
        """Whether a prompt speaks of a photo of one of the animals, and of nothing else that is drawn."""
        return speaks_of(prompt, self.animals)

    @torch.no_grad()
    def scores(self, pictures: Sequence[Image.Image]) -> list[float]:
        """What each RGB picture looks like, with its mirror image: 0 (broken) to 4 (natural)."""
        found = []
        for picture in pictures:
            x = to_tensor([picture])
            score = self.network(seen(self.trunk, torch.cat([x, x.flip(-1)]))).mean()
            found.append(float(score.clamp(WORST, BEST)))
        return found


@torch.no_grad()
def seen(trunk: Trunk, x: Tensor) -> list[Tensor]:
    """The trunk's maps of pictures (B, 3, H, W) in [-1, 1], at the size at which the segmenter looks at them."""
    maps: list[Tensor] = trunk(F.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True))
    return maps


@final
@dataclass(frozen=True, eq=False)
class OwnCritic:
    """The critic of a model's folder, read at the first picture: a ``zeroshift.critic.Critic``."""

    root: Path
    open_critic: Callable[[Path], TrainedCritic]

    @cached_property
    def trained(self) -> TrainedCritic:
        """The critic, read once.

        Raises:
            ValueError: it cannot be read.
        """
        try:
            return self.open_critic(self.root)
        except ValueError as error:
            raise ValueError(f"{error} Or do without second tries (`second_try` off).") from error

    @property
    def enough(self) -> float:
        """The score from which on nothing else is tried."""
        return self.trained.enough

    @property
    def better_by(self) -> float:
        """By how much more something else is to score, so that it is taken instead."""
        return self.trained.better_by

    def knows(self, prompt: str) -> bool:
        """Whether it can judge pictures of this prompt."""
        return self.trained.knows(prompt)

    def scores(self, pictures: Sequence[Image.Image]) -> list[float]:
        """What each RGB picture looks like: 0 (broken) to 4 (natural)."""
        return self.trained.scores(pictures)


def load_critic(root: str | Path) -> TrainedCritic:
    """Read a model's critic, whose folder ``root`` has its segmenter beside it, in float32.

    Raises:
        ValueError: a file is missing or damaged, or the critic belongs to another segmenter.
    """
    root = Path(root)
    folder, by = root / CRITIC, load_segmenter(root / SEGMENTER).network.trunk
    check_saved(folder, "critic")
    with loading(f"the critic in {folder}", "config.json and model.safetensors"):
        known = CriticConfig.model_validate(read_object(folder / CONFIG, "the critic"))
        network = CriticNetwork()
        network.load_state_dict(saved_state(folder))
        if known.segmenter_sha256 != segmenter_sha256(root):
            raise ValueError("it was trained with another segmenter")
    network.eval().requires_grad_(False)
    return TrainedCritic(by, network, **known.model_dump())


def save_critic(critic: TrainedCritic, folder: str | Path) -> None:
    """Write ``config.json`` and ``model.safetensors`` (float16) into ``folder``."""
    config = {name: getattr(critic, name) for name in CriticConfig.model_fields}
    save_network(Path(folder), critic.network, config)


def segmenter_sha256(root: Path) -> str:
    """The hash of the weights of a model's segmenter."""
    return sha256_of([root / SEGMENTER / WEIGHTS], root / SEGMENTER)


def critic_in(root: Path) -> OwnCritic | None:
    """The critic of a model's folder; None where it has none. Nothing is read yet."""
    return OwnCritic(root, load_critic) if lexists(root / CRITIC / CONFIG) else None
