"""Options of the edit-direction conditioning (pix2pix-zero, section 3.1 and Alg. 1)."""

from collections.abc import Callable
from math import cos, pi
from typing import Annotated, ClassVar, Literal, final

from pydantic import ConfigDict, Field, StrictBool, StrictFloat, StrictInt
from pydantic.dataclasses import dataclass

from zeroshift.conditioning.base import DirectionMaker, EditContext
from zeroshift.conditioning.direction import (
    Direction,
    check_direction,
    direction_of_prompts,
    direction_of_words,
)
from zeroshift.conditioning.marks import Marks, reached
from zeroshift.conditioning.prompts import StepPrompts, negative_at, prompt_at, with_values
from zeroshift.conditioning.task import Task
from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.embedding import Embedding, TextRows, guidance_rows

Words = Literal["sentences", "swap"]
Shape = Literal["constant", "rising", "falling", "cosine", "mirror"]


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class EditDirection:
    """The source prompt plus an edit direction."""

    rich: ClassVar[bool] = False

    kind: Literal["direction"] = "direction"
    """name of this conditioning"""
    words: Words = "sentences"
    """direction of two words: from two sets of template sentences, or from the prompt with the word swapped"""
    sentences: Annotated[StrictInt, Field(ge=1, le=2000)] = 1000
    """template sentences per word"""
    strength: Annotated[StrictFloat, Field(ge=0, le=10)] = 1.0
    """edit multiplier: how far to go along the direction; an edit of 0 is the photograph"""
    strength_marks: Marks = ()
    """how far the prompts lie at strengths spread evenly between 0 and 1, as in (0.6, 0.8) at a third and two thirds of
    it; none: as far as the strength"""
    strength_schedule: Shape = "constant"
    """course of the strength over the steps, from noisy to clean"""
    negative: str | None = None
    """negative prompt; by default the source prompt for a photograph and empty for a generated source"""

    normalise: StrictBool = False
    """scale the direction to unit length before the strength applies"""

    def direction(self, backbone: Backbone, task: Task) -> Direction:
        """Direction that ``task`` has, or one made of its words.

        Raises:
            ValueError: the task's own is of another text encoder.
        """
        return direction_of_task(backbone, task, self.words, self.sentences)

    def generated(self, task: Task, make: DirectionMaker) -> Direction | None:
        """Direction that ``make`` gives for the words of ``task``; None where prompts are swapped, or are whole."""
        return make(task.words, self.sentences) if task.words is not None and self.words == "sentences" else None

    def strengths(self, steps: int) -> tuple[float, ...]:
        """The strength of every step."""
        return strengths_of(reached(self.strength, self.strength_marks), self.strength_schedule, steps)

    def source_key(self, task: Task, photograph: bool, guidance_scale: float) -> tuple[object, ...]:
        return task.source_prompt, *key_of(self.kind, self.negative, photograph, guidance_scale)

    def bind(self, run: EditContext) -> StepPrompts:
        rows, strengths = rows_along(run, self.negative, self.normalise), self.strengths(run.steps)
        return StepPrompts(lambda i: rows(i, None), lambda i: rows(i, strengths[i]), lambda i: strengths[i])


def direction_of_task(backbone: Backbone, task: Task, words: Words, sentences: int) -> Direction:
    """Direction that ``task`` has, or one made of its words.

    Raises:
        ValueError: the task's own is of another text encoder.
    """
    if task.direction is not None:
        check_direction(task.direction, backbone.embed([task.source_prompt]))
        return task.direction
    if task.words is not None and words == "sentences":
        return direction_of_words(backbone, *task.words, sentences)
    return direction_of_prompts(backbone, task.source_prompt, task.target_prompt)


def rows_along(run: EditContext, negative: str | None, normalise: bool) -> Callable[[int, float | None], TextRows]:
    """The prompts at step ``i`` for any strength along the run's direction; for None the source's own.

    Raises:
        ValueError: the run has no direction.
    """
    if run.direction is None:
        raise ValueError("An edit along a direction needs one; give two words, or a `direction`.")
    along = unit(run.direction.embedding) if normalise else run.direction.embedding
    along = along.like(run.prompt)  # once, not at every step
    given = None if negative is None and run.photograph else run.embed(negative or "")

    def rows(i: int, strength: float | None) -> TextRows:
        prompt = prompt_at(run, i)
        # the same object: the source branch of a photograph then needs one row, not two equal ones
        seen = with_values(run, i, prompt)
        against = negative_at(run, i, given or seen, seen)
        moved = seen if strength is None else with_values(run, i, prompt.shift(along, strength))
        return guidance_rows(against, moved, run.guidance_scale)

    return rows


def key_of(kind: str, negative: str | None, photograph: bool, guidance_scale: float) -> tuple[object, ...]:
    """What the source's own prompts depend on besides the source prompt."""
    if negative is None and photograph:  # its own prompt is the negative one: guidance cancels out
        return (kind,)
    return kind, negative or "", guidance_scale


def unit(direction: Embedding) -> Embedding:
    """A direction whose tokens have length 1 over all their values, and its pooled vector as much shorter.

    Zeros stay zeros.
    """
    length = direction.tokens.flatten().norm(dim=0).clamp_min(1e-12)
    pooled = None if direction.pooled is None else direction.pooled / length
    return Embedding(direction.tokens / length, pooled=pooled)


def strengths_of(strength: float, shape: Shape, steps: int) -> tuple[float, ...]:
    """The strength of every step."""
    return tuple(strength * course(shape, i, steps) for i in range(steps))


def course(shape: Shape, i: int, steps: int) -> float:
    """The share of the strength at step ``i``; "rising", "falling" and "cosine" have the mean 1/2.

    "mirror" is MirrorDiffusion's: from 0.65 up by 1.2 per whole run during two thirds of it, then 0.65 again; its code
    has 60 steps.
    """
    at = (i + 0.5) / steps
    courses = {"constant": 1.0, "rising": at, "falling": 1 - at, "cosine": (1 + cos(pi * at)) / 2}
    if shape == "mirror":
        return 0.65 + 1.2 * i / steps if 3 * i < 2 * steps else 0.65
    return courses[shape]
