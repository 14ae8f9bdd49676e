"""What may be done to the target branch, at five points of every step."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import ClassVar, Protocol

from torch import Tensor

from zeroshift.conditioning.base import ConditioningOptions, EditContext
from zeroshift.conditioning.task import Task
from zeroshift.control.perceptual import Vgg
from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.embedding import TextRows
from zeroshift.diffusion.schedule import Level, Schedule
from zeroshift.diffusion.sites import NOTHING, Compute, Handler, Part, Selection, Site, Taps, nowhere
from zeroshift.diffusion.source_branch import Recorded, Walk, record
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.inversion.base import Inversion


@dataclass(frozen=True, eq=False)
class StepContext:
    """Where a step stands: everything that a control may look at."""

    backbone: Backbone
    trajectory: Trajectory
    taps: Taps
    i: int
    text: TextRows
    """the target's prompts at this step"""
    recorded: tuple[Recorded, ...]
    """the source branch's steps from ``i - before`` to ``i + after`` that exist, in order; empty if none was needed"""

    @property
    def schedule(self) -> Schedule:
        return self.trajectory.schedule

    @property
    def timestep(self) -> float:
        return self.schedule.timesteps[self.i]

    @property
    def level(self) -> Level:
        """The noise level that the step begins at."""
        return self.schedule.level(self.i)

    @property
    def source(self) -> Recorded:
        """The source branch's own step ``i``."""
        return next(r for r in self.recorded if r.i == self.i)


@dataclass(frozen=True, eq=False)
class Rows:
    """What the network is asked about at a step."""

    latents: tuple[Tensor, ...]
    """one latent for all prompt rows, or one per row; the first is the one that goes on to the next level"""
    out: Tensor | None = None
    """the guided prediction, where a control has it already and the network need not be asked again"""


class Control:
    """A control that does nothing; leaves override the points they need. One instance serves one run."""

    window: tuple[int, int] = (0, 0)
    """how many neighbouring source steps are needed (before, after)"""
    follows_source: bool = False
    """whether the control needs the source's latents although it records nothing"""
    walk: Walk = staticmethod(record)
    """how the source branch is walked"""

    def prompt_only(self, i: int) -> bool:
        """Whether, of the source's rows, it reads the prompt's alone at step ``i``."""
        return False

    def differentiates(self, i: int) -> bool:
        """Whether ``steer`` takes gradients through the network at step ``i``; x0 and eps then have a graph."""
        return False

    def records(self, site: Site, i: int) -> frozenset[Part]:
        """Point 1, record: return what is kept of the source branch at step ``i``."""
        return NOTHING

    def correct(self, x: Tensor, here: StepContext) -> Rows:
        """Point 2, correct: return the latents to predict from."""
        return Rows((x,))

    def apply(self, here: StepContext) -> Handler | None:
        """Point 3, apply: return what is done inside the network while the target's noise is predicted."""
        return None

    def applies(self, site: Site, i: int) -> frozenset[Part]:
        """The parts that the handler of ``apply`` is called for at step ``i``."""
        return NOTHING

    def steer(self, x0: Tensor, eps: Tensor, x: Tensor, here: StepContext) -> tuple[Tensor, Tensor]:
        """Point 4, steer: change clean part and noise, into which ``x`` was split, before the step is taken."""
        return x0, eps

    def blend(self, x: Tensor, here: StepContext) -> Tensor:
        """Point 5, blend: change the latent after the step."""
        return x


class MethodParts(Protocol):
    """What a control stands beside: the other parts and numbers of its method."""

    @property
    def steps(self) -> int: ...

    @property
    def guidance_scale(self) -> float: ...

    @property
    def inversion(self) -> Inversion: ...

    @property
    def conditioning(self) -> ConditioningOptions: ...


class ControlOptions:
    """A control that can be chosen; leaves are frozen options. What is optional does nothing by default."""

    fuses_rich: ClassVar[bool] = False
    """whether it is for rich prompts, and for nothing else"""
    sees_photograph: ClassVar[bool] = False
    """whether it compares the edit with the photograph itself, not only with what an inversion made of it"""

    def check(self, beside: MethodParts) -> None:
        """Refuse other parts that the options make no sense with.

        Raises:
            ValueError: these do not.
        """

    def check_task(self, task: Task) -> None:
        """Refuse a task whose words the options do not fit.

        Raises:
            ValueError: it is one.
        """

    def check_network(self, sites: Sequence[Site]) -> None:
        """Refuse a network without the layers that the options speak of, before any work is done.

        Raises:
            Unsupported: it has none of them.
            ValueError: it has fewer than are asked for.
        """

    def check_helpers(self, backbone: Backbone, vgg: Vgg | None) -> None:
        """Refuse a run without the networks that pictures are compared by, CLIP and VGG16, before any work is done.

        Raises:
            Unsupported: there is no CLIP.
            ValueError: there are no weights of VGG16.
        """

    def facts(self, run: EditContext) -> dict[str, object]:
        """What a recipe has to say of the run besides the options."""
        return {}

    def kept(self, sites: Sequence[Site]) -> Selection:
        """What an inversion has to record of a network's layers.

        Raises:
            Unsupported: the network has no layer that it could work on.
        """
        return nowhere

    def source_key(self, beside: MethodParts) -> tuple[object, ...]:
        """What the source branch depends on because of the options: edits of one run agree in it."""
        return ()

    def bind(self, run: EditContext) -> Control:
        """The control of one run.

        Raises:
            Unsupported: the network has no layer that it could work on.
            ValueError: the task's words do not fit the options.
        """
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Stack(Control):
    """Several controls at once, in order: each sees what those before it left.

    Of two that replace one part of a layer, the later gets what the earlier returned. Of two that correct, the later
    starts from the earlier's first row, and moves the other rows by as much.
    """

    controls: Sequence[Control]
    window: tuple[int, int] = field(init=False)
    follows_source: bool = field(init=False)
    walk: Walk = field(init=False)

    def __post_init__(self) -> None:
        windows = [(0, 0), *(c.window for c in self.controls)]
        walks = [c.walk for c in self.controls if c.walk is not record]
        own = {
            "window": (max(before for before, _ in windows), max(after for _, after in windows)),
            "follows_source": any(c.follows_source for c in self.controls),
            "walk": walks[0] if walks else record,
        }
        for name, value in own.items():
            object.__setattr__(self, name, value)

    def prompt_only(self, i: int) -> bool:
        # who keeps the inherited ``records`` reads no row at all
        return all(c.prompt_only(i) or type(c).records is Control.records for c in self.controls)

    def differentiates(self, i: int) -> bool:
        return any(c.differentiates(i) for c in self.controls)

    def records(self, site: Site, i: int) -> frozenset[Part]:
        return NOTHING.union(*(c.records(site, i) for c in self.controls))

    def correct(self, x: Tensor, here: StepContext) -> Rows:
        return reduce(lambda rows, control: _corrected(control, rows, here), self.controls, Rows((x,)))

    def apply(self, here: StepContext) -> Handler | None:
        handlers = [(c, handler) for c in self.controls if (handler := c.apply(here)) is not None]

        def each(site: Site, part: Part, compute: Compute) -> Tensor:
            for control, handler in handlers:
                if part in control.applies(site, here.i):
                    compute = _later(handler, site, part, compute)
            return compute()

        return each if handlers else None

    def applies(self, site: Site, i: int) -> frozenset[Part]:
        return NOTHING.union(*(c.applies(site, i) for c in self.controls))

    def steer(self, x0: Tensor, eps: Tensor, x: Tensor, here: StepContext) -> tuple[Tensor, Tensor]:
        for control in self.controls:
            x0, eps = control.steer(x0, eps, x, here)
        return x0, eps

    def blend(self, x: Tensor, here: StepContext) -> Tensor:
        return reduce(lambda latent, control: control.blend(latent, here), self.controls, x)


def _corrected(control: Control, rows: Rows, here: StepContext) -> Rows:
    first = rows.latents[0]
    moved = control.correct(first, here)
    if len(moved.latents) == 1 and moved.latents[0] is first:
        return rows if moved.out is None else Rows(rows.latents, moved.out)
    if len(rows.latents) == 1:
        return moved
    steps = moved.latents * len(rows.latents) if len(moved.latents) == 1 else moved.latents
    return Rows(tuple(row + (new - first) for row, new in zip(rows.latents, steps, strict=True)), moved.out)


def _later(handler: Handler, site: Site, part: Part, compute: Compute) -> Compute:
    return lambda: handler(site, part, compute)
