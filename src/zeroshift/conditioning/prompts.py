"""Source and target prompts, with whatever the inversion learned in their place."""

from collections.abc import Callable
from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from math import exp
from typing import Annotated, ClassVar, Literal, final

from pydantic import ConfigDict, Field, StrictFloat
from pydantic.dataclasses import dataclass

from zeroshift.conditioning.base import DirectionMaker, EditContext
from zeroshift.conditioning.direction import Direction
from zeroshift.conditioning.marks import Marks, reached
from zeroshift.conditioning.task import Task
from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.embedding import Embedding, TextRows, between, guidance_rows, guidance_with_empty
from zeroshift.options.shares import begun_steps


@plain_dataclass(frozen=True, eq=False)
class StepPrompts:
    """The prompts of both branches, made anew at every step: an inversion may have learned other ones for each."""

    source: Callable[[int], TextRows]
    target: Callable[[int], TextRows]
    strength: Callable[[int], float]


@plain_dataclass(frozen=True, eq=False)
class FixedPrompts:
    """The same source and target prompts at every step."""

    source_rows: TextRows
    target_rows: TextRows

    def source(self, i: int) -> TextRows:
        return self.source_rows

    def target(self, i: int) -> TextRows:
        return self.target_rows

    def strength(self, i: int) -> float:
        return 1.0


def prompt_at(run: EditContext, i: int) -> Embedding:
    """The source prompt at step ``i``: the one that the inversion learned, if it did."""
    learned = run.trajectory.learned.prompts
    return run.prompt.of(learned[i]) if learned else run.prompt


def negative_at(run: EditContext, i: int, given: Embedding, prompt: Embedding) -> Embedding:
    """The negative prompt at step ``i``: what the inversion puts in its place, else ``given``.

    That is an embedding of its own, or the source prompt ``prompt`` itself, with which guidance cancels out.
    """
    learned = run.trajectory.learned
    if learned.prompt_as_negative:
        return prompt
    # every inversion that learns a negative prompt begins at the empty one, whose pooled vector stays
    return run.empty.of(learned.negatives[i]) if learned.negatives else given


def with_values(run: EditContext, i: int, prompt: Embedding, until: float = 1.0) -> Embedding:
    """Give ``prompt`` the value input c * s + b that the inversion learned for step ``i`` (StyleDiffusion, Eq. 5).

    From the share ``until`` of the steps on, and without anything learned, value projections see the prompt itself.
    """
    learned = run.trajectory.learned
    if not learned.values or i >= begun_steps(until, run.steps):
        return prompt
    return replace(prompt, values=prompt.tokens * learned.scales[i] + learned.shifts[i])


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class Prompts:
    """The target prompt as it stands, against a negative prompt."""

    rich: ClassVar[bool] = False

    kind: Literal["prompts"] = "prompts"
    """name of this conditioning"""
    negative: str | None = ""
    """negative prompt of both branches; null in a preset is the source prompt, except where the source is generated"""
    empty_share: Annotated[StrictFloat, Field(ge=0, le=1)] = 0.0
    """share of the empty prompt, beside the negative one, in what the target is held against; 1: no negative prompt"""
    empty_schedule: Literal["constant", "linear", "exponential"] = "constant"
    """course of that share over the steps, falling to 0 or e^-6: the negative prompt grows stronger"""
    source_text: str | None = None
    """what the source branch of a photograph is predicted under; by default the source prompt"""
    source_negative: str | None = None
    """negative prompt of the source branch where it has its own"""
    source_guidance: Annotated[StrictFloat, Field(ge=1, le=50)] | None = None
    """guidance scale of the source branch where it has its own"""
    strength: Annotated[StrictFloat, Field(ge=0, le=2)] = 1.0
    """how far from the source's prompts to the target's; an edit of 0 is the photograph"""
    strength_marks: Marks = ()
    """how far the prompts lie at strengths spread evenly between 0 and 1, as in (0.6, 0.8) at a third and two thirds of
    it; none: as far as the strength"""
    values_until: Annotated[StrictFloat, Field(ge=0, le=1)] = 0.5
    """share of the steps in which the target's values see what a value-embedding inversion learned"""

    def direction(self, backbone: Backbone, task: Task) -> Direction | None:
        if task.direction is not None:
            raise ValueError(
                "A saved edit direction means nothing to prompts; leave `direction` out, "
                "or take `conditioning` direction."
            )
        return None

    def generated(self, task: Task, make: DirectionMaker) -> Direction | None:
        return None

    def empty_shares(self, steps: int) -> tuple[float, ...]:
        """The empty prompt's share at every step (Plug-and-Play's first code)."""
        at = [i / max(steps - 1, 1) for i in range(steps)]
        courses = {"constant": [1.0] * steps, "linear": [1 - a for a in at], "exponential": [exp(-6 * a) for a in at]}
        return tuple(self.empty_share * course for course in courses[self.empty_schedule])

    def source_key(self, task: Task, photograph: bool, guidance_scale: float) -> tuple[object, ...]:
        negative = self.negative if self.source_negative is None else self.source_negative
        text = self.source_text if photograph else None
        return task.source_prompt, self.kind, negative, text, self.source_guidance or guidance_scale

    def bind(self, run: EditContext) -> StepPrompts:
        empty, wanted = run.empty, run.embed(run.task.target_prompt)
        negative = None if self.negative is None else run.embed(self.negative)
        source_negative = negative if self.source_negative is None else run.embed(self.source_negative)
        source_text = run.embed(self.source_text) if run.photograph and self.source_text is not None else None
        source_scale = self.source_guidance or run.guidance_scale
        near = source_scale if run.returns_at is None or self.strength > 1 else run.returns_at
        share = reached(self.strength, self.strength_marks)
        scale = near + (run.guidance_scale - near) * share
        # an inversion that learned what to hold the prompt against leaves nothing to mix
        learned = run.trajectory.learned.negatives or run.trajectory.learned.prompt_as_negative
        shares = (0.0,) * run.steps if learned else self.empty_shares(run.steps)

        def of_source(i: int) -> TextRows:
            prompt = with_values(run, i, source_text or prompt_at(run, i))
            given = source_negative or (prompt if run.photograph else empty)
            return guidance_rows(negative_at(run, i, given, prompt), prompt, source_scale)

        def of_target(i: int) -> TextRows:
            prompt = with_values(run, i, wanted, self.values_until)
            against = negative_at(run, i, negative or prompt_at(run, i), prompt_at(run, i))
            rows = guidance_with_empty(empty, against, prompt, scale, shares[i])
            return rows if share == 1 else between(of_source(i), rows, share)

        return StepPrompts(of_source, of_target, lambda i: share)
