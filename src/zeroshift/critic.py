"""How good a small model's results look, as the network that comes with it says."""

from collections.abc import Sequence
from typing import Protocol

from PIL import Image


class Critic(Protocol):
    """Tells results that one would show from such that one would not. The same picture has the same score each time."""

    @property
    def enough(self) -> float:
        """The score from which on nothing else is tried."""

    @property
    def better_by(self) -> float:
        """By how much more something else is to score, so that it is taken instead."""

    def knows(self, prompt: str) -> bool:
        """Whether it can judge pictures of this prompt."""

    def scores(self, pictures: Sequence[Image.Image]) -> list[float]:
        """What each RGB picture, such as the edited part of a photograph, looks like: 0 (broken) to 4 (natural)."""
