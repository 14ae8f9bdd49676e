"""Results of a small model, redrawn as sharp as photographs by the network that comes with it."""

from typing import Protocol

from PIL import Image


class Restorer(Protocol):
    """Redraws what a model draws."""

    @property
    def sha256(self) -> str:
        """The hash of its weights and of the words that it knows."""
        ...

    def knows(self, prompt: str) -> bool:
        """Whether it restores pictures of this prompt."""
        ...

    def restored(self, picture: Image.Image) -> Image.Image:
        """An RGB picture, redrawn."""
        ...


def restorer_for(restorer: Restorer | None, prompt: str, wanted: bool) -> Restorer | None:
    """The restorer where a result of this prompt is to be redrawn, and it can be."""
    return restorer if wanted and restorer is not None and restorer.knows(prompt) else None
