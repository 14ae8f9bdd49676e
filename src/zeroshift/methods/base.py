"""What every method has."""

from dataclasses import Field, dataclass
from typing import Any, ClassVar, Protocol

from zeroshift.backbones.base import Backbone
from zeroshift.conditioning.direction import Direction
from zeroshift.conditioning.task import Task
from zeroshift.embedding import Embedding
from zeroshift.inversion.base import Inversion
from zeroshift.sampling import Edit


class Method(Protocol):
    """A named choice of inversion, conditioning and control; a frozen pydantic dataclass of options with defaults."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    name: ClassVar[str]
    title: ClassVar[str]
    """full name and reference, one line"""

    @property
    def steps(self) -> int: ...

    @property
    def inversion(self) -> Inversion: ...

    def source_key(self, photograph: bool) -> tuple[object, ...]:
        """Return what the source branch depends on besides its prompt: edits of one run agree in it."""

    def edit(
        self,
        backbone: Backbone,
        task: Task,
        prompt: Embedding,
        *,
        photograph: bool,
        direction: Direction | None = None,
    ) -> "Planned":
        """Prepare one target branch.

        Args:
            backbone: the model.
            task: from what, to what.
            prompt: the encoded source prompt, one per picture.
            photograph: whether the source is an inverted photograph, not a generated picture.
            direction: the edit direction to take instead of the task's; a method without directions has no use for it.

        Raises:
            ValueError: the saved direction is unreadable or of another text encoder.
        """


@dataclass(frozen=True, eq=False)
class Planned:
    """A target branch, and what its recipe has to say about it."""

    branch: Edit
    facts: dict[str, object]
