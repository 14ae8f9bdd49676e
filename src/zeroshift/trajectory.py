"""What an inversion returns: where sampling starts, and the exact latents to replay where a method wants them."""

from dataclasses import dataclass

from torch import Tensor

from zeroshift.schedule import Schedule


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The source's latents on a schedule, noisiest first."""

    schedule: Schedule
    latents: tuple[Tensor, ...]
    """(B, C, h, w) each; the first is where sampling starts, the others may be absent"""
    replayed: bool = False
    """whether the source branch runs through ``latents`` exactly (direct inversion) instead of being integrated"""

    @property
    def start(self) -> Tensor:
        """Return the noisiest latent."""
        return self.latents[0]

    def replay(self, i: int, x: Tensor, out: Tensor) -> Tensor:
        """Return the source at level ``i``: the stored latent, or the step taken from ``x`` by the prediction ``out``."""
        return self.latents[i] if self.replayed else self.schedule.advance(x, out, i - 1)
