"""What a captioner does, and what it may offer beside."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from PIL import Image

from zeroshift.conditioning.task import Task


class Captioner(Protocol):
    """Says what pictures show. The same pictures have the same captions every time.

    A sentence is all that is asked for: what an edit needs of it, such as its noun, is read from the words
    (``captioning.sentences``), so that any model that writes English captions will do.
    """

    def captions(self, pictures: Sequence[Image.Image]) -> list[str]:
        """One sentence per picture, as in "a photo of a tabby cat"; pictures are 8-bit and of any size."""


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
