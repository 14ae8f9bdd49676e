"""StyleDiffusion's inversion (Li et al., arXiv:2303.15649): what cross-attention's values see is learned, keys are not.

The photograph is inverted by DDIM without guidance. Then, step by step, the value input c * s + b of the source prompt
is optimised until the guided step returns to that path, with the attention maps that the inversion had.
"""

from collections.abc import Generator, Sequence
from functools import partial
from math import ceil, exp
from typing import Annotated, ClassVar, Literal, final

import torch
from pydantic import ConfigDict, Field, StrictFloat, StrictInt
from pydantic.dataclasses import dataclass
from torch import Tensor

from zeroshift.diffusion.backbone import Backbone, Unsupported
from zeroshift.diffusion.embedding import Embedding
from zeroshift.diffusion.sites import Site, nowhere, quarter_cross, select, taps_at
from zeroshift.diffusion.trajectory import Learned, Trajectory
from zeroshift.inversion.base import CleanLatents, Inversion, InversionContext
from zeroshift.inversion.ddim import walk_up
from zeroshift.inversion.fitting import Distance, Fit, Weights
from zeroshift.inversion.mapping import Learner, Mapping, clamped_learner, free_learner, network_learner
from zeroshift.inversion.optimising import (
    Adam,
    Aim,
    Losses,
    Params,
    check_length,
    enough,
    learning_rate,
    minimise,
)
from zeroshift.inversion.side_by_side import side_by_side

ENCODERS = {768: "openai/clip-vit-base-patch16", 1024: "openai/clip-vit-large-patch14"}
"""a public CLIP whose picture tokens are as wide as a text encoder's: that of Stable Diffusion 1.x, and of 2.x"""


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class ValueEmbedding(Inversion):
    """DDIM inversion, then a learned value input per step with which guided sampling returns the photograph."""

    guided: ClassVar[bool] = True

    seeded: ClassVar[bool] = True
    kind: Literal["value-embedding"] = "value-embedding"
    """name of this inversion"""
    inner_steps: Annotated[StrictInt, Field(ge=1, le=1000)] = 100
    """most optimisation steps at a sampling step (the first one, where they become fewer)"""
    inner_decay: Annotated[StrictFloat, Field(ge=0, le=1)] = 0.1
    """how fast they become fewer: inner_steps * exp(-inner_decay * i) at step i, rounded up"""
    learning_rate: Annotated[StrictFloat, Field(gt=0, le=1)] = 1e-2
    """learning rate of Adam at the first sampling step; it falls to 0 at step 100"""
    stop_loss: Annotated[StrictFloat, Field(ge=0, le=1e6)] = 1e-5
    """loss at which optimisation ends at the first sampling step; twice as much is added at each later one"""
    learn: Literal["network", "direct", "random-clamped"] = "network"
    """what is optimised: a mapping network on the picture's CLIP tokens, scale and shift themselves, or the value
    input itself from noise, kept in [-1, 1]"""
    mapping: Mapping = "affine"
    """what the network gives: scale and shift of the prompt's tokens (code), or the value input itself (paper)"""
    block_num: Annotated[StrictInt, Field(ge=0, le=8)] = 1
    """hidden blocks of the network"""
    attention_weight: Annotated[StrictFloat, Field(ge=0, le=1000)] = 1.0
    """weight of the distance between attention maps of inversion and reconstruction; 0 is off"""
    attention_loss: Distance = "mse"
    """that distance: mean square, mean absolute value, or root of the mean square"""
    entropy_weight: Annotated[StrictFloat, Field(ge=0, le=1000)] = 0.0
    """weight of the maps' entropy over tokens, so that each pixel looks at few; 0 is off"""
    clean_weight: Annotated[StrictFloat, Field(ge=0, le=1000)] = 0.0
    """weight of the squared distance between the step's estimate of the clean latent and the photograph's; 0 is off"""
    clip_weight: Annotated[StrictFloat, Field(ge=0, le=1000)] = 0.0
    """weight of 1 - cosine between CLIP features of that estimate, decoded, and of the photograph; 0 is off"""

    def check(self, steps: int) -> None:
        check_length(steps)

    def stages(self, steps: int) -> int:
        return 2 * steps

    def most(self, i: int) -> int:
        """The most optimisation steps at sampling step ``i``."""
        return ceil(self.inner_steps * exp(-self.inner_decay * i))

    def invert(
        self, backbone: Backbone, photograph: CleanLatents, plan: InversionContext
    ) -> Generator[Tensor, None, Trajectory]:
        return side_by_side(partial(self._alone, backbone), photograph, plan)

    def _alone(
        self, backbone: Backbone, photograph: CleanLatents, plan: InversionContext
    ) -> Generator[Tensor, None, Trajectory]:
        fit, schedule = self._fit(backbone, photograph, plan.seeds), backbone.schedule(plan.steps)
        keep = fit.looks if self.attention_weight else nowhere
        levels = yield from walk_up(backbone, photograph.x0, photograph.prompt, schedule, keep=keep, exact=True)
        empty = backbone.embed([""]).repeat(len(photograph.x0))
        x, params = levels.latents[0], fit.learner.start
        latents, scales, shifts = [x], list[Tensor](), list[Tensor]()
        taps = taps_at(backbone, select("cross", "v"))
        for i in range(plan.steps):
            with backbone.install(taps):
                other = other_prediction(backbone, x, schedule.timesteps[i], empty, plan.guidance_scale)
                aim = Aim(schedule, i, x, levels.latents[i + 1], plan.guidance_scale, other)
                # the maps of this very latent, asked one timestep noisier; the first has none and takes the next one's
                losses = fit.losses(taps, aim, levels.maps[max(i - 1, 0)])
                params = self._learned(losses, params, i, fit.learner.limit)
                x, scale, shift = fit.step(taps, aim, params)
            latents.append(x)
            scales.append(scale)
            shifts.append(shift)
            yield x
        learned = Learned(negatives=[empty.tokens] * plan.steps, scales=scales, shifts=shifts)
        return Trajectory(schedule, latents, replayed=True, learned=learned)

    def _learned(self, losses: Losses, start: Params, i: int, limit: float | None) -> Params:
        adam, stop = Adam(start, learning_rate(self.learning_rate, i)), enough(self.stop_loss, i)
        return minimise(start, losses, adam, steps=self.most(i), stop=stop, limit=limit)[0]

    def _fit(self, backbone: Backbone, photograph: CleanLatents, seeds: Sequence[int]) -> Fit:
        weights = Weights(
            self.attention_weight, self.attention_loss, self.entropy_weight, self.clean_weight, self.clip_weight
        )
        looks = self.attention_weight or self.entropy_weight
        layers = quarter_layers(backbone.sites) if looks else frozenset[Site]()
        features = None
        if self.clip_weight:
            with torch.no_grad():
                features = backbone.clip.image_features(photograph.pictures.to(photograph.x0))
        return Fit(backbone, photograph, self._learner(backbone, photograph, seeds), layers, weights, features)

    def _learner(self, backbone: Backbone, photograph: CleanLatents, seeds: Sequence[int]) -> Learner:
        """What is optimised.

        Raises:
            Unsupported: the checkpoint has no image encoder of the text encoder's width, which a network needs.
        """
        prompt = photograph.prompt.tokens
        if self.learn == "direct":
            return free_learner(prompt)
        if self.learn == "random-clamped":
            return clamped_learner(prompt, seeds)
        try:
            tokens = backbone.image_tokens(photograph.pictures).to(prompt)
        except Unsupported as error:
            raise Unsupported(f"{error} {without_encoder(prompt.shape[-1])}") from error
        if tokens.shape[-1] != prompt.shape[-1]:
            raise Unsupported(
                f"The checkpoint's image tokens are {tokens.shape[-1]} wide and its text tokens {prompt.shape[-1]}; a "
                "mapping network needs towers of one width. Learn scale and shift themselves: `learn` direct."
            )
        return network_learner(tokens, prompt.shape[1], self.mapping, self.block_num, seeds)


def without_encoder(width: int) -> str:
    """What to do where there is no image encoder and prompts are ``width`` wide."""
    fitting = f"An image encoder of this model's width is `clip` {ENCODERS[width]}; " if width in ENCODERS else ""
    return f"{fitting}{'without' if fitting else 'Without'} one, learn scale and shift themselves: `learn` direct."


def quarter_layers(sites: tuple[Site, ...]) -> frozenset[Site]:
    """The layers whose maps are looked at: cross-attention at a quarter of the latent's side, down and up.

    A network that has none there is looked at on its coarsest side that has both.

    Raises:
        Unsupported: no side has both.
    """
    found = quarter_cross(sites)
    if not found:
        raise Unsupported(
            "The attention loss needs cross-attention layers of one size on the way down and up, and this network has "
            "none; turn it off: `attention_weight` 0."
        )
    return found


@torch.no_grad()
def other_prediction(
    backbone: Backbone, x: Tensor, timestep: float, empty: Embedding, guidance_scale: float
) -> Tensor | None:
    """The prediction that guidance holds the prompt's against, which no learning changes; None without it."""
    return None if guidance_scale == 1 else backbone.predict(x, timestep, empty)
