"""What a small model draws, made as sharp as photographs: eyes, fur and outlines that its latents are too coarse for.

A small network redraws a result at the size that the model drew it at. It learned from what the model makes of
photographs that it begins to draw again from some noise (SDEdit), whose photographs it is to give back, and against a
discriminator from edits (as GFP-GAN does for old faces; Wang et al. 2021, arXiv:2101.04061).
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from os.path import lexists
from pathlib import Path
from typing import final

import torch
import torch.nn.functional as F
from PIL import Image
from pydantic import BaseModel

from zeroshift.backbones.checkpoint import RESTORER
from zeroshift.backbones.whole import loading, read_object
from zeroshift.files import read_regular
from zeroshift.image.tensors import to_pictures, to_tensor
from zeroshift.miniature.restorer_network import MULTIPLE, RestorerNetwork
from zeroshift.miniature.saved import CONFIG, WEIGHTS, check_saved, save_network, saved_state
from zeroshift.words import words_of

PHOTOGRAPHS = frozenset({"photo", "photograph"})
DRAWN = frozenset(
    "painting painted oil canvas drawing drawn doodle sketch sketches illustration render rendering cartoon comic "
    "anime watercolor watercolour print engraving etching poster graffiti tattoo mosaic statue statuette sculpture "
    "carving carved figurine plush silhouette style".split()
)
"""words of prompts whose pictures are to have other textures than photographs of animals"""


class RestorerConfig(BaseModel):
    """Everything but the weights; see ``TrainedRestorer``."""

    animals: tuple[str, ...]
    trained_on: str
    figures: dict[str, float]


@final
@dataclass(frozen=True, eq=False)
class TrainedRestorer:
    """A trained network, and the words for what it has seen."""

    network: RestorerNetwork
    animals: tuple[str, ...]
    """the words that name what it restores, such as "cat", "tiger" """
    trained_on: str = ""
    """the pictures, in words"""
    figures: dict[str, float] = field(default_factory=dict)
    """what was measured when it was trained"""

    def knows(self, prompt: str) -> bool:
        """Whether a prompt speaks of a photo of one of the animals; see ``speaks_of``."""
        return speaks_of(prompt, self.animals)

    @torch.no_grad()
    def restored(self, picture: Image.Image) -> Image.Image:
        """An RGB picture, redrawn."""
        x = to_tensor([picture])
        height, width = x.shape[-2:]
        whole = F.pad(x, (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="replicate")
        return to_pictures(self.network(whole)[..., :height, :width])[0]


@final
@dataclass(frozen=True, eq=False)
class OwnRestorer:
    """The restorer of a model's folder, read at the first picture: a ``zeroshift.restoring.Restorer``."""

    folder: Path
    open_restorer: Callable[[Path], TrainedRestorer]

    @cached_property
    def trained(self) -> TrainedRestorer:
        """The restorer, read once.

        Raises:
            ValueError: it cannot be read.
        """
        try:
            return self.open_restorer(self.folder)
        except ValueError as error:
            raise ValueError(f"{error} Or leave it out: `restore` off.") from error

    @cached_property
    def sha256(self) -> str:
        """The hash of its weights and of the words that it knows.

        Raises:
            ValueError: it cannot be read.
        """
        words = "\n".join(self.trained.animals).encode()
        return sha256(read_regular(self.folder / WEIGHTS) + words).hexdigest()

    def knows(self, prompt: str) -> bool:
        """Whether it restores pictures of this prompt."""
        return self.trained.knows(prompt)

    def restored(self, picture: Image.Image) -> Image.Image:
        """An RGB picture, redrawn."""
        return self.trained.restored(picture)


def speaks_of(prompt: str, animals: Collection[str]) -> bool:
    """Whether a prompt speaks of a photo, names one of the animals, and speaks of nothing else that is drawn.

    "a photo of a dog" does, "a pencil sketch of a dog" and "a photo in the style of a painting of a dog" do not.
    """
    words = {form for word in words_of(prompt) for form in (word, word.removesuffix("s"))}
    return bool(words & PHOTOGRAPHS and words & {*animals}) and not words & DRAWN


def load_restorer(folder: str | Path) -> TrainedRestorer:
    """Read a restorer from ``config.json`` and ``model.safetensors`` in ``folder``, in float32.

    Raises:
        ValueError: one of the two files is missing or damaged, or they do not fit each other.
    """
    folder = Path(folder)
    check_saved(folder, "restorer")
    with loading(f"the restorer in {folder}", "config.json and model.safetensors"):
        known = RestorerConfig.model_validate(read_object(folder / CONFIG, "the restorer"))
        network = RestorerNetwork()
        network.load_state_dict(saved_state(folder))
    network.eval().requires_grad_(False)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return TrainedRestorer(network, known.animals, known.trained_on, known.figures)


def save_restorer(restorer: TrainedRestorer, folder: str | Path) -> None:
    """Write ``config.json`` and ``model.safetensors`` (float16) into ``folder``."""
    config = {"animals": restorer.animals, "trained_on": restorer.trained_on, "figures": restorer.figures}
    save_network(Path(folder), restorer.network, config)


def read_restorer(folder: str | Path) -> OwnRestorer:
    """The restorer of a folder, which is read at the first picture."""
    return OwnRestorer(Path(folder), load_restorer)


def restorer_in(root: Path) -> OwnRestorer | None:
    """The restorer of a model's folder; None where it has none. Nothing is read yet."""
    return read_restorer(root / RESTORER) if lexists(root / RESTORER / CONFIG) else None
