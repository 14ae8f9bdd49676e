"""What a method's parts are bound to, and what a conditioning is before that."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeAlias

from torch import Tensor

from zeroshift.conditioning.direction import Direction
from zeroshift.conditioning.task import Task
from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.embedding import Embedding
from zeroshift.diffusion.source_branch import Conditioning
from zeroshift.diffusion.trajectory import Trajectory

if TYPE_CHECKING:
    from zeroshift.control.perceptual import Vgg


DirectionMaker: TypeAlias = Callable[[tuple[str, str], int], Direction]
"""from source and target word and a number of sentences to an edit direction"""


@dataclass(frozen=True, eq=False)
class EditContext:
    """One target branch to come: everything that its conditioning and its control may look at."""

    backbone: Backbone
    task: Task
    prompt: Embedding
    """the encoded source prompt, one per picture"""
    trajectory: Trajectory
    guidance_scale: float
    photograph: bool
    """whether the source is an inverted photograph, not a generated picture"""
    direction: Direction | None = None
    """the edit direction, where the conditioning has one"""
    pictures: Tensor | None = None
    """the photographs as the model sees them, (B, 3, H, W) in [-1, 1]; None for a generated source"""
    vgg: "Vgg | None" = None
    """VGG16's weights, where the edit was given some"""
    returns_at: float | None = None
    """guidance scale at which the source's prompts lead back to the photograph, which that of a weaker edit comes down
    to; None: the source branch's"""
    conditioning: Conditioning | None = None
    """the prompts of both branches, for controls: those are bound after them"""

    @property
    def steps(self) -> int:
        """The number of sampling steps of the whole grid."""
        return self.trajectory.schedule.steps

    @cached_property
    def empty(self) -> Embedding:
        """The empty prompt, one per picture."""
        return self.embed("")

    @property
    def count(self) -> int:
        """The number of pictures."""
        return len(self.prompt.tokens)

    def embed(self, text: str) -> Embedding:
        """Encode one prompt for every picture."""
        return self.backbone.embed([text]).repeat(self.count)


class ConditioningOptions(Protocol):
    """Frozen options of a conditioning."""

    rich: ClassVar[bool]
    """whether the source branch is asked about more prompts than its own, for a control that fuses their maps"""

    @property
    def kind(self) -> str: ...

    def direction(self, backbone: Backbone, task: Task) -> Direction | None:
        """Edit direction that ``task`` has, or one made of its words; None for a conditioning without.

        Raises:
            ValueError: the task's own is of another text encoder, or in vain.
        """

    def generated(self, task: Task, make: DirectionMaker) -> Direction | None:
        """Direction that ``make`` gives for the words of ``task``; None where another is used, or none."""

    def bind(self, run: EditContext) -> Conditioning:
        """The prompts of both branches."""

    def source_key(self, task: Task, photograph: bool, guidance_scale: float) -> tuple[object, ...]:
        """What the source branch's prompts depend on: edits of one run agree in it."""
