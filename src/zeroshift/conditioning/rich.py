"""Rich prompts: the source prompt, the edited one, and others on the way (ReDiffuser, arXiv:2305.04651)."""

from collections.abc import Callable
from dataclasses import dataclass as plain_dataclass
from typing import Annotated, ClassVar, Literal, final

from pydantic import ConfigDict, Field, StrictBool, StrictFloat, StrictInt
from pydantic.dataclasses import dataclass

from zeroshift.conditioning.base import DirectionMaker, EditContext
from zeroshift.conditioning.direction import Direction
from zeroshift.conditioning.marks import Marks, reached
from zeroshift.conditioning.shift import Shape, Words, direction_of_task, key_of, rows_along, strengths_of
from zeroshift.conditioning.task import Task
from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.embedding import TextRows


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class RichPrompts:
    """An edit direction whose source branch is also asked about the edited prompt and prompts on the way to it."""

    rich: ClassVar[bool] = True

    kind: Literal["rich"] = "rich"
    """name of this conditioning"""
    rho: Annotated[tuple[Annotated[StrictFloat, Field(gt=0, lt=1)], ...], Field(min_length=1, max_length=16)] = (0.5,)
    """how far along the direction the prompts in between lie"""
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
        """Direction that ``make`` gives for the words of ``task``; None where prompts are swapped."""
        return make(task.words, self.sentences) if task.words is not None and self.words == "sentences" else None

    def source_key(self, task: Task, photograph: bool, guidance_scale: float) -> tuple[object, ...]:
        own = key_of(self.kind, self.negative, photograph, guidance_scale)
        # the edit is in the source branch, where the target is otherwise unknown
        return task, *own, self.rho, self.words, self.sentences, self.normalise

    def bind(self, run: EditContext) -> "RichRows":
        strengths = strengths_of(reached(self.strength, self.strength_marks), self.strength_schedule, run.steps)
        return RichRows(rows_along(run, self.negative, self.normalise), (*self.rho, 1.0), strengths)


@plain_dataclass(frozen=True, eq=False)
class RichRows:
    """The prompts of both branches, and those in between."""

    along: Callable[[int, float | None], TextRows]
    """the prompts at a step for any strength; for None the source's own"""
    shares: tuple[float, ...]
    """how far along the direction the regenerated prompts lie: those in between, then the edited one, at 1

    The paper leaves their number and distance open. They do not depend on the strength, so that edits of several
    strengths share one source branch; at the paper's strength, 1, the last of them is the edit's own prompt.
    """
    strengths: tuple[float, ...]
    """of every step"""

    def own(self, i: int) -> TextRows:
        """What the source branch is predicted under."""
        return self.along(i, None)

    def source(self, i: int) -> TextRows:
        """The regenerated prompts, which predict nothing and are asked for their maps, and then the own ones."""
        own = self.own(i)
        rich = [self.along(i, share).embeddings[-1] for share in self.shares]
        return TextRows((*rich, *own.embeddings), (*(0.0 for _ in rich), *own.weights))

    def target(self, i: int) -> TextRows:
        return self.along(i, self.strengths[i])

    def strength(self, i: int) -> float:
        return self.strengths[i]
