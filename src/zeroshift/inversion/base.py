"""From a photograph to a trajectory."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from torch import Tensor

from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.embedding import Embedding
from zeroshift.diffusion.sites import Selection, nowhere
from zeroshift.diffusion.trajectory import Trajectory

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class CleanLatents:
    """What is inverted."""

    pictures: Tensor
    """(B, 3, H, W) in [-1, 1]"""
    x0: Tensor
    """their clean latents, (B, C, h, w)"""
    prompt: Embedding
    """the encoded source prompt, one per picture"""


@dataclass(frozen=True)
class InversionContext:
    """How an inversion is to be used."""

    steps: int
    """sampling steps of the edit"""
    guidance_scale: float
    """of the edit; an inversion that learns what makes guidance return the photograph needs it"""
    seeds: tuple[int, ...]
    """of everything random, one per picture"""
    keep: Selection = nowhere
    """what a control wants recorded on the way; inversions that walk DDIM's steps do it"""


class Inversion:
    """A way to find latents from which sampling returns a given picture; leaves are frozen options.

    What is optional does nothing by default.
    """

    guided: ClassVar[bool] = False
    """whether the result depends on the guidance scale"""
    seeded: ClassVar[bool] = False
    """whether it draws anything at random"""
    empty: ClassVar[bool] = False
    """whether nothing of the photograph is in the latents"""

    @property
    def sees_every_step(self) -> bool:
        """Whether it asks the network once at every sampling step, and can record what a control wants there."""
        return False

    @property
    def multistep(self) -> bool:
        """Whether steps are of second order, those of sampling too."""
        return False

    def check(self, steps: int) -> None:
        """Refuse a number of steps that it cannot walk.

        Raises:
            ValueError: it cannot.
        """

    def check_guidance(self, scale: float) -> None:
        """Refuse a guidance scale that leaves it nothing to find.

        Raises:
            ValueError: it does.
        """

    def stages(self, steps: int) -> int:
        """How many times ``invert`` yields."""
        return steps

    def first(self, steps: int) -> int:
        """The step that sampling begins with."""
        return 0

    def returns_at(self, guidance_scale: float) -> float:
        """The scale at which the source's prompts come back to the photograph, for an edit of ``guidance_scale``."""
        return guidance_scale if self.guided else 1.0

    def begins(self, steps: int, strength: float) -> int:
        """The step from which on an edit of this strength leaves the photograph."""
        return self.first(steps)

    def invert(
        self, backbone: Backbone, photograph: CleanLatents, plan: InversionContext
    ) -> Generator[Tensor, None, Trajectory]:
        """Yield latents (B, C, h, w) as the work goes on, and return the trajectory.

        Raises:
            Unsupported: the checkpoint lacks what it needs.
        """
        raise NotImplementedError


def finished(work: Generator[object, None, T]) -> T:
    """Run a generator to its end and return what it returns."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
