"""What every method has: a named choice of inversion, conditioning and control, freely exchanged."""

from collections.abc import Sequence
from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from typing import Annotated, ClassVar, TypeAlias

from pydantic import ConfigDict, Field, StrictFloat, StrictInt
from pydantic.dataclasses import dataclass

from zeroshift.conditioning import AnyConditioning
from zeroshift.conditioning.base import EditContext
from zeroshift.conditioning.task import Task
from zeroshift.control import AnyControl, AnyExtra
from zeroshift.control.base import ControlOptions, Stack
from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.sites import NOTHING, Part, Site
from zeroshift.inversion import AnyInversion
from zeroshift.inversion.base import InversionContext as InversionPlan
from zeroshift.running.sampling import Branch

Steps: TypeAlias = Annotated[StrictInt, Field(ge=1, le=999, description="sampling steps")]
GuidanceScale: TypeAlias = Annotated[
    StrictFloat,
    Field(ge=1, le=50, description="classifier-free guidance, negative + scale * (prompt - negative); 1 is off"),
]
InversionPart: TypeAlias = Annotated[AnyInversion, Field(description="how the photograph becomes noise")]
ConditioningPart: TypeAlias = Annotated[AnyConditioning, Field(description="where the target lies")]
ControlPart: TypeAlias = Annotated[AnyControl, Field(description="how the picture's structure is kept")]
Extras: TypeAlias = Annotated[
    tuple[AnyExtra, ...], Field(description="what is done beyond the method, in this order, with commas between")
]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class Method:
    """Options of an edit; leaves have a name and, as defaults, what their paper takes."""

    name: ClassVar[str]
    title: ClassVar[str]
    """full name and reference, one line"""

    steps: Steps
    guidance_scale: GuidanceScale
    inversion: InversionPart
    conditioning: ConditioningPart
    control: ControlPart
    extras: Extras = ()

    def __post_init__(self) -> None:
        check(self)

    @property
    def strength(self) -> float:
        """How much of the edit is made: 0 is the source itself, 1 what the method does by itself."""
        return self.conditioning.strength

    @property
    def controls(self) -> tuple[ControlOptions, ...]:
        """The control and the extras, in the order in which they act."""
        return (self.control, *self.extras)


def check(method: Method) -> None:
    """Refuse parts that make no sense together.

    Raises:
        ValueError: these do not; the sentence says why.
    """
    method.inversion.check(method.steps)
    method.inversion.check_guidance(method.guidance_scale)
    kinds = [extra.kind for extra in method.extras]
    if twice := [kind for kind in dict.fromkeys(kinds) if kinds.count(kind) > 1]:
        raise ValueError(f"Each extra can be taken once; leave out what is there more than once: {', '.join(twice)}.")
    if method.inversion.empty and not any(part.sees_photograph for part in method.controls):
        raise ValueError(
            "A random start holds nothing of the photograph, and nothing else here looks at it; take another "
            "`inversion`, or add `extras` refinement."
        )
    if method.conditioning.rich != method.control.fuses_rich:
        raise ValueError(
            "Rich prompts are what fused guidance fuses the maps of, and nothing else can use them; take "
            "`conditioning` rich and `control` fused-guidance together, or neither."
        )
    for part in method.controls:
        part.check(method)


def source_key(method: Method, task: Task, photograph: bool) -> tuple[object, ...]:
    """What the source branch depends on, so that edits of one run agree: inversion, steps, prompts, controls."""
    inverted = (method.inversion, method.inversion.guided and method.guidance_scale) if photograph else ()
    prompts = method.conditioning.source_key(task, photograph, method.guidance_scale)
    controls = tuple(key for part in method.controls for key in part.source_key(method))
    return inverted, method.steps, prompts, controls


def shares_source(method: Method) -> bool:
    """Whether edits that differ in strength alone can share one run."""
    task = Task("cat", "dog", "a photo of a cat", "a photo of a dog", None)
    strength = 0.5 if method.conditioning.strength != 0.5 else 1.0
    other = replace(method, conditioning=replace(method.conditioning, strength=strength))
    return source_key(other, task, True) == source_key(method, task, True)


def inversion_plan(method: Method, backbone: Backbone, seeds: Sequence[int]) -> InversionPlan:
    """What an inversion has to know of the method that uses it."""
    kept = [part.kept(backbone.sites) for part in method.controls]

    def keep(site: Site) -> frozenset[Part]:
        return NOTHING.union(*(wanted(site) for wanted in kept))

    return InversionPlan(method.steps, method.guidance_scale, tuple(seeds), keep)


def edit_of(method: Method, run: EditContext) -> Branch:
    """The target branch of a run.

    Raises:
        Unsupported: the network lacks a layer that the control works on.
    """
    conditioning = method.conditioning.bind(run)
    told = replace(run, conditioning=conditioning)
    bound = [part.bind(told) for part in method.controls]
    return Branch(conditioning, bound[0] if len(bound) == 1 else Stack(bound))


@plain_dataclass(frozen=True, eq=False)
class Planned:
    """A target branch, and what its recipe has to say about it."""

    branch: Branch
    facts: dict[str, object]


def plan(method: Method, run: EditContext) -> Planned:
    """Prepare one target branch and its part of the recipe."""
    facts: dict[str, object] = {} if run.direction is None else {"direction_sha256": run.direction.sha256}
    for part in method.controls:
        facts |= part.facts(run)
    return Planned(edit_of(method, run), facts)
