"""Refinement: the edited picture itself is compared with the photograph and the prompt. Not part of any method's paper.

L = 0.1 L2 + 0.5 perceptual + 0.2 style + 0.2 (1 - cos CLIP), each a mean, and optionally a patch discriminator's
opinion; either the finished latent is optimised by Adam with only the VAE's decoder in the graph, or the last steps
are steered by the gradient at their estimate of it.
"""

from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from typing import Annotated, ClassVar, Literal, TypeAlias, final

import torch
from pydantic import ConfigDict, Field, StrictFloat, StrictInt
from pydantic.dataclasses import dataclass
from torch import Tensor

from zeroshift.conditioning.base import EditContext
from zeroshift.control.base import Control, ControlOptions, StepContext
from zeroshift.control.losses import clip_distance, perceptual, squared, style
from zeroshift.control.patch_discriminator import Discriminators
from zeroshift.control.perceptual import Vgg, vgg_features
from zeroshift.control.steering import cheap_gradient, gradient_of, normalised, steered
from zeroshift.diffusion.backbone import Backbone

Weight: TypeAlias = Annotated[StrictFloat, Field(ge=0, le=1000)]


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class Refinement(ControlOptions):
    """The edited picture is brought closer to the photograph and to the target prompt."""

    sees_photograph: ClassVar[bool] = True

    kind: Literal["refinement"] = "refinement"
    """name of this extra"""
    refine: Literal["final", "guidance"] = "final"
    """whether the finished latent is optimised, or the last steps are steered"""
    refine_steps: Annotated[StrictInt, Field(ge=1, le=10_000)] = 20
    """steps of Adam on the finished latent"""
    refine_rate: Annotated[StrictFloat, Field(gt=0, le=1)] = 0.01
    """their learning rate"""
    refine_last: Annotated[StrictInt, Field(ge=1, le=999)] = 10
    """how many of the last sampling steps are steered"""
    refine_scale: Annotated[StrictFloat, Field(ge=0, le=10)] = 0.1
    """how far they are steered, as a share of the noise"""
    refine_l2: Weight = 0.1
    """weight of the mean squared difference to the photograph; 0 is off, as for every weight"""
    refine_perceptual: Weight | None = None
    """weight of the difference of VGG16's features; by default 0.5 where there are weights (`vgg`), else 0"""
    refine_style: Weight | None = None
    """weight of the difference of their Gram matrices; by default 0.2 where there are weights (`vgg`), else 0"""
    refine_clip: Weight = 0.2
    """weight of CLIP's distance to the target prompt"""
    refine_patches: Weight = 0.0
    """weight of a patch discriminator that learns the photograph meanwhile"""
    refine_seed: Annotated[StrictInt, Field(ge=0, lt=2**63)] = 0
    """seed of the discriminator and its crops"""

    def check_helpers(self, backbone: Backbone, vgg: Vgg | None) -> None:
        self.check_vgg(vgg is not None)
        if self.weights(vgg is not None).clip:
            _ = backbone.clip  # raises where there is none

    def check_vgg(self, given: bool) -> None:
        """Refuse terms on VGG16's features where its weights are not ``given``.

        Raises:
            ValueError: there are some.
        """
        if not given and (self.refine_perceptual or self.refine_style):
            raise ValueError(
                "The perceptual and the style term compare VGG16's features, and there are no weights of it; give "
                "`vgg`, or leave `refine_perceptual` and `refine_style` out."
            )

    def facts(self, run: EditContext) -> dict[str, object]:
        return {"vgg_sha256": run.vgg.sha256} if run.vgg is not None and self.weights(True).deep else {}

    def weights(self, vgg: bool) -> "Weights":
        """Weights that apply with or without VGG16."""
        features = (0.5, 0.2) if vgg else (0.0, 0.0)
        chosen = (self.refine_perceptual, self.refine_style)
        deep, texture = (usual if own is None else own for own, usual in zip(chosen, features, strict=True))
        return Weights(self.refine_l2, deep, texture, self.refine_clip, self.refine_patches)

    def bind(self, run: EditContext) -> Control:
        weights, guides = self.weights(run.vgg is not None), self.refine == "guidance"
        if weights == Weights() or (guides and not self.refine_scale):
            return Control()
        if guides and run.pictures is None and weights.compare:
            raise ValueError(
                "The last steps cannot be steered towards a source that is still being generated; take `refine` final, "
                "or `refine_clip` alone."
            )
        wanted = run.backbone.clip.text_features([run.task.target_prompt]) if weights.clip else None
        device, photographs = run.backbone.device, run.pictures
        vgg = run.vgg if weights.deep else None
        source = None if photographs is None else photographs.to(device)
        last = range(max(run.steps - self.refine_last, run.trajectory.first), run.steps)
        judge = Judge(weights, source, wanted, vgg, self.refine_seed)
        return SteeredRefinement(self, judge, last) if guides else FinalRefinement(self, judge, run.steps - 1)


@plain_dataclass(frozen=True)
class Weights:
    """Weights of the terms; 0 is off."""

    l2: float = 0.0
    perceptual: float = 0.0
    style: float = 0.0
    clip: float = 0.0
    patches: float = 0.0

    @property
    def deep(self) -> bool:
        """Whether features are compared."""
        return bool(self.perceptual or self.style)

    @property
    def compare(self) -> bool:
        """Whether the source is looked at."""
        return bool(self.l2 or self.deep or self.patches)


@plain_dataclass(eq=False)
class Judge:
    """What a picture is held against in one run."""

    weights: Weights
    source: Tensor | None
    """the pictures it shall resemble, (B, 3, H, W) in [-1, 1]; None until they are known"""
    wanted: Tensor | None
    """the target prompt's features, (1, P)"""
    vgg: Vgg | None
    seed: int
    features: list[Tensor] = field(default_factory=list, init=False)
    """the source's"""
    discriminators: Discriminators | None = field(default=None, init=False)

    def losses(self, latents: Tensor, here: StepContext) -> Tensor:
        """The weighted sum of the terms (B,) for clean latents (B, C, h, w)."""
        pictures, weights, terms = here.backbone.decode(latents), self.weights, list[Tensor]()
        if weights.clip and self.wanted is not None:
            terms.append(weights.clip * clip_distance(here.backbone.clip, pictures, self.wanted))
        if weights.compare and self.source is not None:
            terms += self.compared(pictures, self.source.to(pictures))
        return torch.stack(terms).sum(0)

    def compared(self, pictures: Tensor, source: Tensor) -> list[Tensor]:
        """The terms that look at the source."""
        weights, terms = self.weights, list[Tensor]()
        if weights.l2:
            terms.append(weights.l2 * squared(pictures, source))
        if self.vgg is not None:
            self.features = self.features or vgg_features(self.vgg, source)
            found = vgg_features(self.vgg, pictures)
            terms += [weights.perceptual * perceptual(found, self.features)] if weights.perceptual else []
            terms += [weights.style * style(found, self.features)] if weights.style else []
        if weights.patches:
            self.discriminators = self.discriminators or Discriminators(source, self.seed)
            self.discriminators.learn(pictures)
            terms.append(weights.patches * self.discriminators.distance(pictures))
        return terms


@plain_dataclass(eq=False)
class FinalRefinement(Control):
    """Optimisation of the finished latent in one run."""

    options: Refinement
    judge: Judge
    last: int
    """the last step"""

    def __post_init__(self) -> None:
        self.follows_source = self.judge.weights.compare and self.judge.source is None

    def blend(self, x: Tensor, here: StepContext) -> Tensor:
        """The latent after Adam's steps, taken once everything else is done."""
        if here.i != self.last:
            return x
        if self.follows_source:
            self.judge.source = here.backbone.decode(here.source.following)
        latents = x.detach().clone().requires_grad_()
        adam = torch.optim.Adam([latents], self.options.refine_rate)
        for _ in range(self.options.refine_steps):
            with torch.enable_grad():
                latents.grad = gradient_of(self.judge.losses(latents, here), latents)
            adam.step()
        return latents.detach()


@plain_dataclass(eq=False)
class SteeredRefinement(Control):
    """Guidance of the last steps in one run."""

    options: Refinement
    judge: Judge
    guided: range

    def steer(self, x0: Tensor, eps: Tensor, x: Tensor, here: StepContext) -> tuple[Tensor, Tensor]:
        if here.i not in self.guided or not here.level.alpha:  # in pure noise nothing moves the clean part
            return x0, eps
        gradient = cheap_gradient(lambda at: self.judge.losses(at, here), x0, here.level)
        return steered(x0, eps, self.options.refine_scale * normalised(gradient), here)
