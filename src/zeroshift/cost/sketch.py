"""A model reduced to what decides the cost of a step: which calls it gets, and which layers are read or replaced.

Of the network only the layers that a control listens to are there, and they hand out tensors of the right number of
cells and tokens without computing them; autoencoder and CLIP are reduced to a note. On small latents an edit takes a
fraction of a second. Two sampling steps that leave the same notes here cost the same on the model itself.
"""

from collections.abc import Collection, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from zeroshift.diffusion.backbone import Backbone, Spelling, Tokens
from zeroshift.diffusion.embedding import Embedding
from zeroshift.diffusion.schedule import Schedule
from zeroshift.diffusion.sites import Compute, Part, Site, Taps


class Sketch:
    """A backbone on the CPU that stands in for ``model`` and writes all that it is asked for into ``notes``."""

    device = torch.device("cpu")
    precision = "fp32"
    saves_memory = False
    tile = None
    compiled = False

    def __init__(self, model: Backbone, notes: list[Hashable]) -> None:
        self._model, self._notes = model, notes
        self._taps = Taps(())
        self._blocks = 1
        self._prompt = model.embed([""])
        self.identity, self.sites = model.identity, model.sites
        self.text_sha256 = model.identity.sha256  # weights on the meta device have no values
        self.size, self.multiple, self.factor = model.size, model.multiple, model.factor
        self.latent_channels = model.latent_channels
        self.clip = SketchedClip(notes)

    @contextmanager
    def install(self, taps: Taps) -> Iterator[None]:
        """Open layers."""
        self._taps = taps
        try:
            yield
        finally:
            self._taps = Taps(())

    @contextmanager
    def sharing(self, blocks: int, tapped: Collection[str]) -> Iterator[None]:
        """Note that ``blocks`` blocks of rows share what comes before the text."""
        self._blocks = blocks
        try:
            yield
        finally:
            self._blocks = 1

    @contextmanager
    def recomputing(self) -> Iterator[bool]:
        """Nothing is computed twice here."""
        yield False

    def save_memory(self) -> bool:
        """There is none to save."""
        return False

    def embed(self, prompts: Sequence[str]) -> Embedding:
        """Prompts of the right shapes."""
        tokens, pooled = self._prompt.tokens, self._prompt.pooled
        rows = torch.zeros(len(prompts), *tokens.shape[1:])
        return Embedding(rows, pooled=None if pooled is None else torch.zeros(len(prompts), *pooled.shape[1:]))

    def image_tokens(self, pictures: Tensor) -> Tensor:
        """Image tokens of the right shape, (B, N, D)."""
        return torch.zeros(self._model.image_tokens(pictures.to(self._model.device)).shape)

    def schedule(self, steps: int) -> Schedule:
        """The model's schedule."""
        return self._model.schedule(steps)

    @property
    def spelling(self) -> Spelling:
        """The model's own."""
        return self._model.spelling

    def tokens(self, prompt: str) -> Tokens:
        """The tokens of a prompt."""
        return self._model.tokens(prompt)

    def predict(self, x: Tensor, timestep: float | Tensor, text: Embedding) -> Tensor:
        """Run the layers that are listened to; return a tensor of the shape of ``x`` that depends on all of them."""
        self._notes.append(("predict", len(x), self._blocks))
        hidden = noted(x, self._notes).flatten(1).mean(1) + noted(text.tokens, self._notes).flatten(1).mean(1)  # (N,)
        taps = self._taps
        for site in taps.sites:
            if site.name in taps.listened or (site.kind == "cross" and taps.values is not None):
                cells = (x.shape[2] // site.scale) * (x.shape[3] // site.scale)
                layer = SketchedLayer(site, taps, hidden, cells, text.tokens.shape[1], self._notes)
                hidden = hidden + layer.run().flatten(1).mean(1)
        return x + hidden[:, None, None, None]

    def encode(self, pictures: Tensor) -> Tensor:
        """Latents of the right size, (B, C, h, w)."""
        small = F.avg_pool2d(noted(pictures, self._notes).mean(1, keepdim=True), self.factor)
        return small.expand(-1, self.latent_channels, -1, -1)

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures of the right size, (B, 3, H, W)."""
        seen = noted(latents, self._notes).mean(1, keepdim=True)
        return F.interpolate(seen, scale_factor=self.factor).expand(-1, 3, -1, -1)


class SketchedLayer:
    """One open layer in one pass."""

    def __init__(self, site: Site, taps: Taps, hidden: Tensor, cells: int, tokens: int, notes: list[Hashable]) -> None:
        self.site, self.taps, self.hidden, self.notes = site, taps, hidden, notes
        self.cells, self.seen = cells, cells if site.kind == "self" else tokens

    def run(self) -> Tensor:
        """Pass every part through the taps in the order of the real layer, which computes none that is replaced."""
        if self.site.kind in ("conv", "deep"):
            return self.taps(self.site, "feature", self.made("feature", 1, self.cells))
        q, k, v = self.part("q", self.cells), self.part("k", self.seen), self.part("v", self.seen)
        return self.taps(self.site, "output", lambda: self.mix(q, k, v))

    def part(self, part: Part, length: int) -> Compute:
        """What gives q, k or v: at once if it is listened to."""
        made = self.made(part, length, 1)
        if not self.taps.wants(self.site, part):
            return made
        x = self.taps(self.site, part, made)
        return lambda: x

    def mix(self, q: Compute, k: Compute, v: Compute) -> Tensor:
        """Ask for what the output needs."""
        if not self.taps.wants(self.site, "probs"):
            return q() + (k().mean() + v().mean())
        probs = self.taps(self.site, "probs", lambda: self.made("probs", self.cells, self.seen)() + (q() + k().mean()))
        return probs.mean(-1, keepdim=True) + v().mean()

    def made(self, part: Part, height: int, width: int) -> Compute:
        """What makes a part, (N, 1, height, width), and notes that it was computed."""

        def compute() -> Tensor:
            self.notes.append((self.site.order, part))
            own = self.hidden
            if part == "v" and self.taps.values is not None:
                own = noted(self.taps.values, self.notes).flatten(1).mean(1).to(own)
            return own[:, None, None, None].expand(-1, 1, height, width)

        return compute


class SketchedClip:
    """A CLIP that notes when it looks."""

    def __init__(self, notes: list[Hashable]) -> None:
        self.notes = notes

    def image_features(self, pictures: Tensor) -> Tensor:
        """Unit vectors (B, 3)."""
        return F.normalize(noted(pictures, self.notes).mean((2, 3)), dim=-1)

    def image_tokens(self, pictures: Tensor) -> Tensor:
        """One token per picture, (B, 1, 3)."""
        return self.image_features(pictures)[:, None]

    def text_features(self, prompts: Sequence[str]) -> Tensor:
        """Unit vectors (B, 3)."""
        return F.normalize(torch.ones(len(prompts), 3), dim=-1)


class Noted(torch.autograd.Function):
    """A tensor unchanged, whose gradient leaves a note where it is asked for."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, notes: list[Hashable]) -> Tensor:  # noqa: ANN401
        ctx.notes = notes
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        ctx.notes.append(("gradient", tuple(gradients[0].shape)))
        return gradients[0], None


def noted(x: Tensor, notes: list[Hashable]) -> Tensor:
    """Note that ``x`` is looked at now, and its gradient taken later."""
    notes.append(("look", tuple(x.shape)))
    out: Tensor = Noted.apply(x, notes)  # type: ignore[no-untyped-call]
    return out
