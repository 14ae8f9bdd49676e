"""What a captioner does, and what it may offer beside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from PIL import Image

from zeroshift.conditioning.task import Task
from zeroshift.image import Photo
from zeroshift.image.framing import Within


@dataclass(frozen=True)
class Seen:
    """What a captioner makes of a picture."""

    caption: str
    """the likeliest sentence, whether that is sure or not"""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    """of what it tells apart, as in {"cat": 0.9, "dog": 0.1}; empty where it gives none"""
    sure: bool = True
    """whether the caption may be taken for what the picture shows"""
    scene: str = ""
    """the caption without the thing that it is about, as in "a photo": all that is sure where the rest is not"""

    unseen: str = ""
    """what was looked for and is not to be seen at all, as in "cat or dog"; empty where that cannot be said"""

    @property
    def guess(self) -> str:
        """Caption and probabilities, as in "a photo of a cat (cat 0.90, dog 0.10)"."""
        numbers = ", ".join(f"{name} {p:.2f}" for name, p in self.probabilities.items())
        return f"{self.caption} ({numbers})" if numbers else self.caption


class Captioner(Protocol):
    """Says what pictures show. The same pictures have the same captions every time.

    A sentence is all that is asked for: what an edit needs of it, such as its noun, is read from the words
    (``captioning.sentences``), so that any model that writes English captions will do.
    """

    def captions(self, pictures: Sequence[Image.Image]) -> list[str]:
        """One sentence per picture, as in "a photo of a tabby cat"; pictures are 8-bit and of any size."""


@runtime_checkable
class Knowing(Protocol):
    """A captioner that goes by which picture it is, its name or its file's hash, and looks at none."""

    def caption_of(self, photo: Photo) -> str:
        """The caption of a picture.

        Raises:
            ValueError: it has none.
        """


@runtime_checkable
class Scope(Protocol):
    """How far the edits of a vocabulary reach; one without this is of things in the picture."""

    def changes_all(self, source: str | None, target: str) -> bool:
        """Whether ``target`` is a matter of the whole picture, such as a style, a light or a background.

        Args:
            source: the source prompt, where one is named.
            target: a word or a whole prompt.
        """


@runtime_checkable
class Nearing(Protocol):
    """How near a vocabulary's subjects are to be seen; one without this sees all as its model's finder frames them."""

    def within(self, target: str) -> Within:
        """What is edited of the part that is found around a subject.

        Args:
            target: a word or a whole prompt.
        """


@runtime_checkable
class Varying(Protocol):
    """A vocabulary that knows kinds of its targets; one without this knows the targets alone."""

    def kinds(self, target: str) -> Sequence[str]:
        """Kinds of a target, such as breeds of an animal, that the model may draw better than the target as such.

        Args:
            target: a word or a whole prompt.
        """


@runtime_checkable
class Offering(Protocol):
    """A vocabulary that can say which targets it has; of others only what the model was trained on is known."""

    def targets(self) -> Mapping[str, Sequence[str]]:
        """Targets beside the names of things, by what they change, as in {"light": ("bright", "dark")}."""


@runtime_checkable
class Doubting(Protocol):
    """A captioner that says how sure it is; what others say is taken for sure."""

    def see(self, pictures: Sequence[Image.Image]) -> list[Seen]:
        """What it makes of each picture; captions are those of ``Captioner.captions``."""


@runtime_checkable
class Judge(Protocol):
    """A captioner that can tell whether an edit shows what it was to show."""

    def lacking(
        self, pictures: Sequence[Image.Image], prompt: str, source: str = "", unknown: Sequence[str] = ()
    ) -> list[str]:
        """What each picture does not show of a prompt, as in "a dog"; empty where nothing is missing or can be told.

        Args:
            pictures: results of an edit, say.
            prompt: what they were to show.
            source: the prompt of what was edited.
            unknown: words of the prompt, and not of the source, that the model does not know: it made something else.
        """


@runtime_checkable
class Rating(Protocol):
    """A judge that can compare results."""

    @property
    def enough(self) -> float:
        """How clearly a target is to be seen, so that no other inversion need be tried."""

    @property
    def hardly(self) -> float:
        """Less clearly than this, a target can hardly be seen, and a method is tried that keeps less."""

    @property
    def clearer_by(self) -> float:
        """By how much more clearly it is to be seen in what is tried, so that this is taken instead."""

    @property
    def clear(self) -> float:
        """How clearly a target is to be seen, so that it is not tried from nearer."""

    @property
    def nearer_by(self) -> float:
        """By how much more clearly it is to be seen from nearer, so that this is taken instead."""

    def clarity(self, pictures: Sequence[Image.Image], prompt: str, source: str = "") -> list[float] | None:
        """How clearly each picture shows what a prompt names: below 0 it cannot be seen.

        None where that is nothing that it could tell.
        """


@runtime_checkable
class Vocabulary(Protocol):
    """How the captions of one kind become edits.

    A captioner whose captions are made of known words (styles, kinds, colours) may have these methods, too, and is then
    asked itself; the captions of all others are read as plain English.
    """

    def retarget(self, caption: str, target: str) -> Task:
        """The edit of a picture with this caption that a word or whole prompt ``target`` asks for.

        Raises:
            ValueError: the target is empty or is what the caption says, or the caption names no thing.
        """

    def source_prompt(self, caption: str) -> str:
        """The source prompt of edits of a picture with this caption whose target is the name of another thing.

        Raises:
            ValueError: the caption names no thing.
        """
