"""What may be done to the target branch, at five points of every step."""

from dataclasses import dataclass

from torch import Tensor

from zeroshift.backbones.base import Backbone
from zeroshift.embedding import TextRows
from zeroshift.schedule import Schedule
from zeroshift.sites import NOTHING, Handler, Part, Site, Taps

Recording = dict[tuple[Site, Part], Tensor]


@dataclass(frozen=True, eq=False)
class Recorded:
    """One step of the source branch."""

    i: int
    x: Tensor
    """the source latent before the step"""
    following: Tensor
    """the source latent after it"""
    seen: Recording
    """what the control asked to record, rows x pictures along the first axis"""


@dataclass(frozen=True, eq=False)
class Here:
    """Where a step stands: everything that a control may look at."""

    backbone: Backbone
    schedule: Schedule
    taps: Taps
    i: int
    text: TextRows
    """the target's prompts at this step"""
    recorded: tuple[Recorded, ...]
    """the source branch's steps from ``i - before`` to ``i + after`` that exist, in order; empty if none was needed"""

    @property
    def timestep(self) -> int:
        return self.schedule.timesteps[self.i]

    @property
    def source(self) -> Recorded:
        """Return the source branch's own step ``i``."""
        return next(r for r in self.recorded if r.i == self.i)


class Control:
    """A control that does nothing; leaves override the points they need. One instance serves one run."""

    window: tuple[int, int] = (0, 0)
    """how many neighbouring source steps are needed (before, after)"""
    follows_source: bool = False
    """whether the control needs the source branch although it records nothing"""

    def wanted(self, site: Site) -> frozenset[Part]:
        """Return every part that any point touches at ``site``: where taps are installed."""
        return self.records(site)

    def records(self, site: Site) -> frozenset[Part]:
        """Point 1, record: return what is kept of the source branch."""
        return NOTHING

    def correct(self, x: Tensor, here: Here) -> tuple[Tensor, ...]:
        """Point 2, correct: return the latent to predict from, one for all prompt rows or one per row.

        The first of them is the latent that goes on to the next level.
        """
        return (x,)

    def apply(self, here: Here) -> Handler | None:
        """Point 3, apply: return what is done inside the network while the target's noise is predicted."""
        return None

    def applies(self, site: Site) -> frozenset[Part]:
        """Return the parts that the handler of ``apply`` is called for."""
        return NOTHING

    def steer(self, out: Tensor, x: Tensor, here: Here) -> Tensor:
        """Point 4, steer: change the guided prediction ``out`` at the latent ``x`` before the step is taken."""
        return out

    def blend(self, x: Tensor, here: Here) -> Tensor:
        """Point 5, blend: change the latent after the step."""
        return x
