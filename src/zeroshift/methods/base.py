"""What every method has."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

from zeroshift.backbones.base import Backbone
from zeroshift.conditioning.task import Task
from zeroshift.embedding import Embedding
from zeroshift.inversion.base import Inversion
from zeroshift.sampling import Edit


class Method(Protocol):
    """A named choice of inversion, conditioning and control; a frozen dataclass of options."""

    name: ClassVar[str]
    title: ClassVar[str]
    """full name and reference, one line"""

    @property
    def steps(self) -> int: ...

    @property
    def guidance_scale(self) -> float: ...

    @property
    def inversion(self) -> Inversion: ...

    def edit(self, backbone: Backbone, task: Task, prompt: Embedding, photograph: bool) -> "Planned":
        """Prepare one target branch; ``prompt`` is the encoded source prompt, one per picture."""


@dataclass(frozen=True, eq=False)
class Planned:
    """A target branch, and what its recipe has to say about it."""

    branch: Edit
    facts: dict[str, object]
