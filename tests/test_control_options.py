"""What a control's options say for themselves: one that no other file knows of is asked everything."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, Literal, final

import pytest
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from tests.runs import TASK, clean, inverted
from zeroshift.asked.request import Request, check_shared
from zeroshift.conditioning import Prompts
from zeroshift.conditioning.base import EditContext
from zeroshift.conditioning.task import Task, make_task
from zeroshift.control import SamplingNoise
from zeroshift.control.base import Control, ControlOptions, MethodParts
from zeroshift.diffusion.sites import NOTHING, Part, Selection, Site
from zeroshift.inversion import AnyInversion, DDIMInversion, RandomStart
from zeroshift.methods import Method
from zeroshift.methods.base import ConditioningPart, GuidanceScale, InversionPart, Steps

STEPS = 4


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Looking(ControlOptions):
    """Looks at the layers of one kind, and has conditions."""

    sees_photograph: ClassVar[bool] = True

    kind: Literal["looking"] = "looking"
    layers: Literal["cross", "self"] = "cross"
    word: str = "cat"

    def check(self, beside: MethodParts) -> None:
        if beside.steps < 3:
            raise ValueError("Looking takes at least 3 steps.")

    def check_task(self, task: Task) -> None:
        if self.word not in task.source_prompt:
            raise ValueError(f"There is no {self.word} to look at.")

    def kept(self, sites: Sequence[Site]) -> Selection:
        return lambda site: frozenset[Part](("probs",)) if site.kind == self.layers else NOTHING

    def source_key(self, beside: MethodParts) -> tuple[object, ...]:
        return (self.layers,)

    def bind(self, run: EditContext) -> Control:
        return Control()


@final
@dataclass(frozen=True, kw_only=True)
class Looked(Method):
    """DDIM with word swap, and a look."""

    name: ClassVar[str] = "looked"
    title: ClassVar[str] = "DDIM with a look"

    steps: Steps = STEPS
    guidance_scale: GuidanceScale = 1.0
    inversion: InversionPart = DDIMInversion()
    conditioning: ConditioningPart = Prompts()
    control: Annotated[Looking, Field(description="how it is looked at")] = Looking()
    extras: Annotated[tuple[Looking | SamplingNoise, ...], Field(description="beyond that")] = ()


def requested(**options: object) -> Request:
    return Request(TASK, Looked(control=Looking(**options)))


def test_it_refuses_what_stands_beside_it():
    with pytest.raises(ValueError, match=r"Looking takes at least 3 steps\."):
        Looked(steps=2)
    with pytest.raises(ValueError, match=r"Looking takes at least 3 steps\."):  # as an extra too
        Looked(steps=2, extras=(Looking(),))


def test_it_refuses_a_task():
    assert requested().task == TASK
    task = make_task("fox", "dog")
    for chosen in (Looked(), Looked(control=Looking(word="fox"), extras=(Looking(),))):
        with pytest.raises(ValueError, match=r"There is no cat to look at\."):
            Request(task, chosen)


def test_it_has_a_say_in_what_shares_a_source():
    plain = Looked()
    check_shared([requested(), requested(word="photo"), Request(TASK, replace(plain, extras=(SamplingNoise(),)))], True)
    with pytest.raises(ValueError, match="Edits of one run share"):
        check_shared([requested(), requested(layers="self")], True)
    with pytest.raises(ValueError, match="Edits of one run share"):
        check_shared([requested(), Request(TASK, replace(plain, extras=(Looking(layers="self"),)))], True)


@pytest.mark.parametrize(
    ("extras", "kinds"),
    [((), {"cross"}), ((Looking(layers="self"),), {"cross", "self"}), ((SamplingNoise(),), {"cross"})],
)
def test_the_inversion_keeps_what_it_asks_for(tiny, extras, kinds):
    chosen = Looked(extras=extras)
    maps = inverted(tiny, chosen, clean(1)).maps
    assert len(maps) == STEPS and all({site.kind for site, _ in kept} == kinds for kept in maps)
    assert all({site for site, _ in kept} == {s for s in tiny.sites if s.kind in kinds} for kept in maps)


def test_a_random_start_needs_one_that_sees_the_photograph():
    start: AnyInversion = RandomStart()
    assert Looked(inversion=start).inversion == start
