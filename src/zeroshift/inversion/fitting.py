"""The losses of StyleDiffusion's inversion (Li et al., arXiv:2303.15649, Eq. 6 to 8) and what may be added to them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.embedding import Embedding
from zeroshift.diffusion.prediction import predict
from zeroshift.diffusion.sites import NOTHING, Part, Recording, Site, Taps, recorder
from zeroshift.inversion.base import CleanLatents
from zeroshift.inversion.mapping import Learner
from zeroshift.inversion.optimising import Aim, Losses, Params, per_picture

Distance = Literal["mse", "l1", "l2"]
DISTANCES: Mapping[Distance, Callable[[Tensor], Tensor]] = {
    "mse": lambda x: per_picture(x.square()),
    "l1": lambda x: per_picture(x.abs()),
    # the norm's gradient at 0 is 0, the root's is not a number
    "l2": lambda x: torch.linalg.vector_norm(x.flatten(1), dim=1) / x[0].numel() ** 0.5,
}


def entropy(probs: Tensor) -> Tensor:
    """The mean entropy of maps (n, heads, S, L) over their tokens, (n,)."""
    # a probability of 0 adds nothing, and its logarithm's gradient shall be finite
    return per_picture(-(probs * probs.clamp(min=1e-12).log()).sum(-1))


@dataclass(frozen=True)
class Weights:
    """Weights of the losses beside the reconstruction's, whose weight is 1; 0 leaves one out."""

    attention: float
    distance: Distance
    entropy: float
    clean: float
    clip: float


@dataclass(frozen=True, eq=False)
class Fit:
    """What all steps of one inversion share."""

    backbone: Backbone
    photograph: CleanLatents
    learner: Learner
    layers: frozenset[Site]
    """where maps are looked at"""
    weights: Weights
    features: Tensor | None
    """the photographs' CLIP features (B, P), where they are looked at"""

    def looks(self, site: Site) -> frozenset[Part]:
        """What the losses see of a layer."""
        return frozenset[Part](("probs",)) if site in self.layers else NOTHING

    def losses(self, taps: Taps, aim: Aim, reference: Recording) -> Losses:
        """The losses of one step; ``reference`` holds the inversion's maps."""

        def of(params: Params, rows: Tensor) -> Tensor:
            out, seen = self._seen(taps, aim, self.learner.read(params, rows), rows)
            x0, x = aim.reached(out, rows)
            loss = per_picture((x - aim.wanted[rows]).square())
            for key, probs in seen.items():
                loss = loss + self._of_map(probs, key, reference, rows)
            return loss + self._of_estimate(x0, rows)

        return of

    @torch.no_grad()
    def step(self, taps: Taps, aim: Aim, params: Params) -> tuple[Tensor, Tensor, Tensor]:
        """(next latent, scale, shift) with what was learned."""
        every = torch.arange(len(aim.x), device=aim.x.device)
        read = self.learner.read(params, every)
        out = predict(self.backbone, taps, aim.x, aim.timestep, self._text(read, every))
        return aim.reached(out)[1], *read

    def _seen(self, taps: Taps, aim: Aim, read: tuple[Tensor, Tensor], rows: Tensor) -> tuple[Tensor, Recording]:
        """The prediction under the prompt with learned values, and the maps."""
        seen: Recording = {}
        with taps.listening(recorder(seen), self.looks):
            out = predict(self.backbone, taps, aim.x[rows], aim.timestep, self._text(read, rows))
        return out, seen

    def _of_map(self, probs: Tensor, key: tuple[Site, Part], reference: Recording, rows: Tensor) -> Tensor:
        """The losses (n,) of one layer's map."""
        loss = probs.new_zeros(len(rows))
        if self.weights.attention:
            loss = loss + self.weights.attention * DISTANCES[self.weights.distance](probs - reference[key][rows])
        return loss + self.weights.entropy * entropy(probs) if self.weights.entropy else loss

    def _of_estimate(self, x0: Tensor, rows: Tensor) -> Tensor:
        """The losses (n,) of the estimate of the clean latent."""
        loss = x0.new_zeros(len(rows))
        if self.weights.clean:
            loss = loss + self.weights.clean * per_picture((x0 - self.photograph.x0[rows]).square())
        if self.features is not None:
            found = self.backbone.clip.image_features(self.backbone.decode(x0))
            loss = loss + self.weights.clip * (1 - (found * self.features[rows]).sum(1))
        return loss

    def _text(self, read: tuple[Tensor, Tensor], rows: Tensor) -> Embedding:
        prompt = self.photograph.prompt
        tokens = prompt.tokens[rows]
        return replace(prompt.of(tokens, rows), values=tokens * read[0] + read[1])
