"""What every method has: a named choice of inversion, conditioning and control, freely exchanged."""

from dataclasses import Field as DataclassField
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Protocol, TypeAlias

from pydantic import Field

from zeroshift.backbones.base import Backbone
from zeroshift.conditioning import AnyConditioning
from zeroshift.conditioning.base import Run
from zeroshift.conditioning.direction import Direction
from zeroshift.conditioning.task import Task
from zeroshift.control import AnyControl, AnyExtra, AttentionGuidance, FusedGuidance
from zeroshift.control.base import Stack
from zeroshift.inversion import (
    AnyInversion,
    DDIMInversion,
    DirectInversion,
    NegativePromptInversion,
    RegularisedInversion,
)
from zeroshift.inversion.base import Plan as InversionPlan
from zeroshift.sampling import Edit
from zeroshift.sites import nowhere

Steps: TypeAlias = Annotated[int, Field(ge=1, le=999, description="sampling steps")]
GuidanceScale: TypeAlias = Annotated[
    float,
    Field(ge=1, le=50, description="classifier-free guidance, negative + scale * (prompt - negative); 1 is off"),
]
InversionPart: TypeAlias = Annotated[AnyInversion, Field(description="how the photograph becomes noise")]
ConditioningPart: TypeAlias = Annotated[AnyConditioning, Field(description="where the target lies")]
ControlPart: TypeAlias = Annotated[AnyControl, Field(description="how the picture's structure is kept")]
Extras: TypeAlias = Annotated[
    tuple[AnyExtra, ...], Field(description="what is done beyond the method, in this order, with commas between")
]


class Method(Protocol):
    """A frozen pydantic dataclass of options; class defaults are the paper's."""

    __dataclass_fields__: ClassVar[dict[str, DataclassField[Any]]]
    name: ClassVar[str]
    title: ClassVar[str]
    """full name and reference, one line"""

    @property
    def steps(self) -> int: ...

    @property
    def guidance_scale(self) -> float: ...

    @property
    def inversion(self) -> AnyInversion: ...

    @property
    def conditioning(self) -> AnyConditioning: ...

    @property
    def control(self) -> AnyControl: ...

    @property
    def extras(self) -> tuple[AnyExtra, ...]: ...


def check(method: Method) -> None:
    """Refuse parts that make no sense together.

    Raises:
        ValueError: these do not; the sentence says why.
    """
    method.inversion.check(method.steps)
    inversion = method.inversion
    if inversion.kind == "null-text" and inversion.optimise == "negative" and method.guidance_scale == 1:
        raise ValueError(
            "Null-text inversion learns the negative prompt, which guidance scale 1 leaves out; take a larger "
            "--guidance-scale, or --inversion direct."
        )
    kinds = [extra.kind for extra in method.extras]
    if len(set(kinds)) < len(kinds):
        raise ValueError(f"Each extra can be taken once, and {', '.join(kinds)} has one twice; leave that out.")
    _check_start(method)
    if (method.conditioning.kind == "rich") != (method.control.kind == "fused-guidance"):
        raise ValueError(
            "Rich prompts are what fused guidance fuses the maps of, and nothing else can use them; take "
            "--conditioning rich and --control fused-guidance together, or neither."
        )
    control = method.control
    if isinstance(control, AttentionGuidance) and control.maps_from == "inversion":
        walks = (DDIMInversion, RegularisedInversion, DirectInversion, NegativePromptInversion)
        if not isinstance(inversion, walks) or inversion.grid == "official":
            raise ValueError(
                "Only an inversion that walks DDIM's steps has maps for every sampling step; take --inversion ddim, "
                "regularised, direct or negative-prompt, not on the official grid, or --maps-from reconstruction."
            )


def _check_start(method: Method) -> None:
    inversion, control = method.inversion, method.control
    if inversion.kind == "random" and "refinement" not in [extra.kind for extra in method.extras]:
        raise ValueError(
            "A random start holds nothing of the photograph, and nothing else here looks at it; take another "
            "--inversion, or add --extras refinement."
        )
    if control.kind == "replay" and control.target_start == "random" and inversion.first(method.steps):
        raise ValueError("A random start is pure noise; take an inversion that goes all the way, such as direct.")


def source_key(method: Method, photograph: bool) -> tuple[object, ...]:
    """Return what the source branch depends on besides its prompt: edits of one run agree in it."""
    inverted = (method.inversion, method.inversion.guided and method.guidance_scale) if photograph else ()
    prompts = method.conditioning.source_key(photograph, method.guidance_scale)
    return (*inverted, method.steps, *prompts, *_key_of_control(method))


def _key_of_control(method: Method) -> tuple[object, ...]:
    control = method.control
    if isinstance(control, AttentionGuidance) and control.maps_from == "inversion":
        return control.maps_from, control.guided_layers
    if isinstance(control, FusedGuidance) and control.own_source:
        return control, method.conditioning, method.guidance_scale
    return ()


def inversion_plan(method: Method, backbone: Backbone, seed: int) -> InversionPlan:
    """Return what an inversion has to know of the method that uses it."""
    control = method.control
    keep = control.kept(backbone.sites) if isinstance(control, AttentionGuidance) else nowhere
    return InversionPlan(method.steps, method.guidance_scale, seed, keep)


def direction_of(method: Method, backbone: Backbone, task: Task) -> Direction | None:
    """Load or make the task's edit direction, if the conditioning has one.

    Raises:
        ValueError: the saved direction is unreadable or of another text encoder, or the task has one in vain.
    """
    return method.conditioning.direction(backbone, task)


def edit_of(method: Method, run: Run) -> Edit:
    """Return the target branch of a run.

    Raises:
        Unsupported: the network lacks a layer that the control works on.
    """
    conditioning = method.conditioning.bind(run)
    told = replace(run, conditioning=conditioning)
    bound = [part.bind(told) for part in (method.control, *method.extras)]
    return Edit(conditioning, bound[0] if len(bound) == 1 else Stack(bound))


@dataclass(frozen=True, eq=False)
class Planned:
    """A target branch, and what its recipe has to say about it."""

    branch: Edit
    facts: dict[str, object]


def plan(method: Method, run: Run) -> Planned:
    """Prepare one target branch and its part of the recipe."""
    facts: dict[str, object] = {} if run.direction is None else {"direction_sha256": run.direction.sha256}
    return Planned(edit_of(method, run), facts)
