"""What every captioner does."""

from collections.abc import Sequence
from typing import Protocol

from PIL import Image


class Captioner(Protocol):
    """Says what pictures show. The same pictures have the same captions every time.

    A sentence is all that is asked for: what an edit needs of it, such as its noun, is read from the words
    (``captioning.words``), so that any model that writes captions will do.
    """

    def captions(self, pictures: Sequence[Image.Image]) -> list[str]:
        """Return one sentence per picture, as in "a photo of a tabby cat"; pictures are 8-bit and of any size."""
