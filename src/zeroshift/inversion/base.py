"""From a clean latent to a trajectory."""

from collections.abc import Iterator
from typing import Protocol

from torch import Tensor

from zeroshift.backbones.base import Backbone
from zeroshift.embedding import Embedding
from zeroshift.trajectory import Trajectory


class Inversion(Protocol):
    """A way to find latents from which sampling returns a given picture."""

    def check(self, steps: int) -> None:
        """Refuse a number of steps that it cannot walk.

        Raises:
            ValueError: it cannot.
        """

    def steps(self, backbone: Backbone, x0: Tensor, source: Embedding, steps: int, seed: int) -> Iterator[Tensor]:
        """Yield the latents (B, C, h, w) from the cleanest level to the noisiest, one per network call."""

    def trajectory(self, backbone: Backbone, latents: list[Tensor], steps: int) -> Trajectory:
        """Return the trajectory made of what ``steps`` yielded."""
