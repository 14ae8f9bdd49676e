"""Options of the edit-direction conditioning (pix2pix-zero, section 3.1 and Alg. 1)."""

from math import cos, pi
from typing import Annotated, Literal, final

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from zeroshift.backbones.base import Backbone
from zeroshift.conditioning.direction import (
    Direction,
    check_direction,
    direction_of_prompts,
    direction_of_words,
    load_direction,
)
from zeroshift.conditioning.prompts import ShiftedPrompt
from zeroshift.conditioning.task import Task
from zeroshift.embedding import Embedding

Shape = Literal["constant", "rising", "falling", "cosine"]


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class EditDirection:
    """The source prompt plus an edit direction."""

    words: Literal["sentences", "swap"] = "sentences"
    """direction of two words: from two sets of template sentences, or from the prompt with the word swapped"""
    sentences: Annotated[int, Field(ge=1, le=2000)] = 1000
    """template sentences per word"""
    strength: Annotated[float, Field(ge=-10, le=10)] = 1.0
    """edit multiplier: how far to go along the direction; 0 gives the reconstruction"""
    strength_schedule: Shape = "constant"
    """course of the strength over the steps, from noisy to clean"""
    negative: str | None = None
    """negative prompt; by default the source prompt for a photograph and empty for a generated source"""

    def direction(self, backbone: Backbone, task: Task) -> Direction:
        """Load or make the direction of ``task``.

        Raises:
            ValueError: the saved direction is unreadable or of another text encoder.
        """
        if task.direction is not None:
            direction = load_direction(task.direction)
            check_direction(direction, backbone.embed([task.source_prompt]).tokens, task.direction)
            return direction
        if task.words is not None and self.words == "sentences":
            return direction_of_words(backbone, *task.words, self.sentences)
        return direction_of_prompts(backbone, task.source_prompt, task.target_prompt)

    def strengths(self, steps: int) -> tuple[float, ...]:
        """Return the strength of every step."""
        return tuple(self.strength * _course(self.strength_schedule, (i + 0.5) / steps) for i in range(steps))

    def bind(
        self,
        backbone: Backbone,
        prompt: Embedding,
        direction: Direction,
        *,
        steps: int,
        guidance_scale: float,
        photograph: bool,
    ) -> ShiftedPrompt:
        """Return the text rows of a run; ``prompt`` is the encoded source prompt, one per picture."""
        if self.negative is None and photograph:
            negative = prompt  # the same object: the source branch then needs one row, not two equal ones
        else:
            negative = backbone.embed([self.negative or ""]).repeat(len(prompt.tokens))
        return ShiftedPrompt(negative, prompt, direction.delta, self.strengths(steps), guidance_scale)


def _course(shape: Shape, at: float) -> float:
    """Return the share of the strength at ``at`` (0 noisy, 1 clean); every course but the constant has mean 1/2."""
    courses = {"constant": 1.0, "rising": at, "falling": 1 - at, "cosine": (1 + cos(pi * at)) / 2}
    return courses[shape]
