"""What the rest of the package knows of a loaded checkpoint."""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from zeroshift.diffusion.embedding import Embedding
from zeroshift.diffusion.schedule import Schedule
from zeroshift.diffusion.sites import Site, Taps


class Unsupported(ValueError):
    """A method asks for what this checkpoint's network does not have."""


@dataclass(frozen=True)
class Identity:
    """Which weights made a picture."""

    name: str
    """hub id, name of the local folder, or "shipped" """
    sha256: str
    """hash of every weight and configuration file, or of their names where nothing is loaded"""
    revision: str | None = None
    """commit of a hub checkpoint"""
    clip: str | None = None
    """hub id or name of the folder of a CLIP that was given apart"""
    loras: tuple[str, ...] = ()
    """names and weights of the LoRAs that were added, as in "style.safetensors:0.8" """


@dataclass(frozen=True)
class Tokens:
    """A prompt as the text encoder reads it."""

    ids: tuple[int, ...]
    """begin token, the words' tokens, end token, padding up to the encoder's length L"""
    used: int
    """how many of them are not padding"""
    words: tuple[str, ...]
    """what stands between blanks, punctuation attached"""
    spans: tuple[tuple[int, ...], ...]
    """each word's positions in ``ids``; empty for one that is cut off"""


class Spelling(Protocol):
    """How a text encoder spells words."""

    @property
    def length(self) -> int:
        """How many tokens of a prompt are read at most, begin and end token among them."""

    @property
    def whole(self) -> frozenset[str]:
        """All words that are one token, in small letters."""

    def pieces(self, word: str) -> tuple[str, ...]:
        """The text of each token of a word; empty for one that is no whole character."""

    def lengths(self, prompts: Sequence[str]) -> list[int]:
        """How many tokens each prompt has before it is cut, begin and end token among them."""


class Clip(Protocol):
    """What a picture shows and what a prompt says in one space. Pictures are (B, 3, H, W) in [-1, 1]."""

    def image_tokens(self, pictures: Tensor) -> Tensor:
        """All tokens of the image encoder after its last norm, without projection, (B, N, D)."""

    def image_features(self, pictures: Tensor) -> Tensor:
        """Unit vectors (B, P), differentiable with respect to the pictures."""

    def text_features(self, prompts: Sequence[str]) -> Tensor:
        """Unit vectors (B, P).

        Raises:
            Unsupported: the text encoder has no way into the image encoder's space.
        """


class Backbone(Protocol):
    """A checkpoint family behind one interface. Pictures are (B, 3, H, W) in [-1, 1], latents (B, C, h, w).

    Any thread may call any method at any time: what would disturb another thread's pass waits for its turn.
    """

    @property
    def identity(self) -> Identity: ...

    @property
    def text_sha256(self) -> str:
        """Hash of the text encoders in half precision and of their tokenizers, whatever network they belong to."""

    @property
    def size(self) -> int:
        """The side in pixels that the checkpoint was trained at."""

    @property
    def multiple(self) -> int:
        """What the sides of a picture must be a multiple of."""

    @property
    def latent_channels(self) -> int: ...

    @property
    def factor(self) -> int:
        """How many pixels one latent cell covers per side."""

    @property
    def device(self) -> torch.device: ...

    @property
    def precision(self) -> str:
        """The networks' precision: fp32, fp16, bf16 or fp64."""

    @property
    def clip(self) -> Clip:
        """The checkpoint's CLIP, or the one given in its place.

        Raises:
            Unsupported: there is none.
        """

    @property
    def sites(self) -> tuple[Site, ...]: ...

    def install(self, taps: Taps) -> AbstractContextManager[None]:
        """Install ``taps`` at their sites; put everything back on exit. The network is this thread's meanwhile.

        Raises:
            Busy: this thread has taps installed already.
        """

    def sharing(self, blocks: int, tapped: Collection[str]) -> AbstractContextManager[None]:
        """Compute once what comes before the text, in passes whose rows are ``blocks`` blocks that differ in it alone.

        ``tapped`` names the sites of which something is read or replaced meanwhile.
        """

    def recomputing(self) -> AbstractContextManager[bool]:
        """Let passes keep little for their gradient and compute the rest once more, if memory is saved; whether it is.

        The layers run again while the gradient is taken, so what listens to them and what they share is there then.
        """

    @property
    def compiled(self) -> bool:
        """Whether parts of the network are compiled: last bits differ."""

    @property
    def saves_memory(self) -> bool:
        """Whether it takes less memory for more time now."""

    @property
    def tile(self) -> int | None:
        """The side in pixels of the tiles that larger pictures are encoded and decoded in; None: they are not."""

    def save_memory(self) -> bool:
        """Take less memory for more time from now on; whether that was allowed and is news."""

    def schedule(self, steps: int) -> Schedule:
        """The grid of ``steps`` steps on the checkpoint's own noise schedule.

        Raises:
            ValueError: the number of steps does not fit the training schedule.
            Unsupported: the network predicts what cannot be split into clean part and noise.
        """

    def encode(self, pictures: Tensor) -> Tensor: ...

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures, unclamped, differentiable with respect to the latents."""

    def image_tokens(self, pictures: Tensor) -> Tensor:
        """What ``clip`` sees, token by token, (B, N, D).

        Raises:
            Unsupported: there is no CLIP.
        """

    @property
    def spelling(self) -> Spelling:
        """How ``embed`` takes words apart."""

    def embed(self, prompts: Sequence[str]) -> Embedding: ...

    def tokens(self, prompt: str) -> Tokens:
        """The tokens that ``embed`` encodes, and which of them belong to which word."""

    def predict(self, x: Tensor, timestep: float | Tensor, text: Embedding) -> Tensor:
        """The network's raw output for latents (N, C, h, w) and N prompts; one timestep, or (N,).

        The prompts' ``values`` are the business of taps.
        """
