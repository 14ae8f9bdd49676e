"""Cross-attention guidance: the target's attention maps are kept close to the source's (pix2pix-zero, section 3.2)."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass as plain_dataclass
from typing import Annotated, Literal, TypeAlias, final

import torch
from pydantic import ConfigDict, Field, StrictBool, StrictFloat
from pydantic.dataclasses import dataclass
from torch import Tensor

from zeroshift.conditioning.base import EditContext
from zeroshift.control.base import Control, ControlOptions, MethodParts, Rows, StepContext
from zeroshift.control.features import for_rows
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.diffusion.embedding import TextRows
from zeroshift.diffusion.prediction import asking, joined, mixed, predict
from zeroshift.diffusion.sites import NOTHING, Compute, Part, Recording, Selection, Site
from zeroshift.options.shares import begun_steps

SD_512_PIXELS = 26_944
"""grid cells summed over Stable Diffusion 1's 16 cross-attention layers at 512 x 512 pixels"""
PROBS: frozenset[Part] = frozenset({"probs"})


LambdaXa: TypeAlias = Annotated[
    StrictFloat,
    Field(
        ge=0,
        le=10,
        description="weight of cross-attention guidance, in units of Stable Diffusion at 512 x 512 whatever the model; "
        "0 is off",
    ),
]
Until: TypeAlias = Annotated[
    StrictFloat, Field(ge=0, le=1, description="share of the steps that are guided; approximate below 1")
]
Layers: TypeAlias = Annotated[
    Literal["all", "coarse"],
    Field(
        description="which layers' maps are compared; coarse leaves out those on the finest grid (approximate)",
    ),
]
Reuse: TypeAlias = Annotated[
    StrictBool,
    Field(
        description="step with the noise that the gradient's pass predicted, before the move: no second pass "
        "(approximate)"
    ),
]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class GuidanceOptions(ControlOptions):
    """What every guidance by cross-attention maps has: its weight, and what may be left out of it."""

    lambda_xa: LambdaXa = 0.1
    guidance_until: Until = 1.0
    guided_layers: Layers = "all"
    reuse_noise: Reuse = False

    @property
    def guides(self) -> bool:
        """Whether there is any guidance to see maps for."""
        return bool(self.lambda_xa and self.guidance_until)

    def until(self, steps: int) -> int:
        """How many steps are guided."""
        return begun_steps(self.guidance_until, steps)

    def check_network(self, sites: Sequence[Site]) -> None:
        if self.guides:
            self.compared(sites)

    def compared(self, sites: Sequence[Site]) -> frozenset[Site]:
        """The layers whose maps are compared.

        Raises:
            Unsupported: none is coarser than the others.
        """
        cross = [site for site in sites if site.kind == "cross"]
        if self.guided_layers == "all":
            return frozenset(cross)
        coarse = frozenset(site for site in cross if site.scale > min(s.scale for s in cross))
        if not coarse:
            raise Unsupported("This network's cross-attention has one grid, none coarser; take `guided_layers` all.")
        return coarse


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class AttentionGuidance(GuidanceOptions):
    """One gradient step per prompt row on x_t brings all cross-attention maps closer to the source's."""

    kind: Literal["attention-guidance"] = "attention-guidance"
    """name of this control"""
    guided_rows: Literal["both", "prompt"] = "both"
    """prompt rows that are moved; prompt leaves the negative one where it is (approximate)"""
    shared_gradient: StrictBool = False
    """move one latent by the sum of the rows' gradients instead of each row by its own (approximate)"""
    maps_from: Literal["reconstruction", "inversion"] = "reconstruction"
    """where the source's maps are seen; in the inversion, the source need not be sampled again (approximate)"""

    def check(self, beside: MethodParts) -> None:
        if self.maps_from == "inversion" and not beside.inversion.sees_every_step:
            raise ValueError(
                "Only an inversion that asks at the sampler's own steps has maps for each; take `inversion` ddim, "
                "regularised, direct or negative-prompt on the aligned grid, or `maps_from` reconstruction."
            )

    def source_key(self, beside: MethodParts) -> tuple[object, ...]:
        return (self.maps_from, self.guided_layers, self.guides) if self.maps_from == "inversion" else ()

    def bind(self, run: EditContext) -> Control:
        if not self.guides:
            return Control()
        if self.maps_from == "inversion" and not run.trajectory.maps:
            raise ValueError(
                "There are no maps of an inversion: a generated source has none, and a saved inversion does not keep "
                "them; take `maps_from` reconstruction, or invert anew."
            )
        alone = self.guided_rows == "prompt"
        return BoundGuidance(self, self.compared(run.backbone.sites), self.until(run.steps), alone)

    def kept(self, sites: Sequence[Site]) -> Selection:
        wanted = self.maps_from == "inversion" and self.guides
        layers = self.compared(sites) if wanted else frozenset[Site]()
        return lambda site: PROBS if site in layers else NOTHING


@plain_dataclass(frozen=True, eq=False)
class BoundGuidance(Control):
    """Cross-attention guidance in one run."""

    options: AttentionGuidance
    layers: frozenset[Site]
    until: int
    """how many steps are guided"""
    alone: bool
    """whether only the prompt's row is moved"""

    def prompt_only(self, i: int) -> bool:
        return self.alone

    def records(self, site: Site, i: int) -> frozenset[Part]:
        return self._compared(site, i) if self.options.maps_from == "reconstruction" else NOTHING

    def applies(self, site: Site, i: int) -> frozenset[Part]:
        # nothing is changed inside the network; this keeps the layers open for the gradient's pass
        return self._compared(site, i) if self.options.maps_from == "inversion" else NOTHING

    def _compared(self, site: Site, i: int) -> frozenset[Part]:
        return PROBS if site in self.layers and i < self.until else NOTHING

    def correct(self, x: Tensor, here: StepContext) -> Rows:
        """X_t - lambda dL/dx_t for each row on its own (pix2pix-zero, Alg. 1; L is the squared norm)."""
        if here.i >= self.until:
            return Rows((x,))
        rows, asked = len(here.text), here.text.prompt if self.alone else here.text
        reference = self.reference(here)
        weight = in_units(self.options.lambda_xa, x, here.backbone.sites)
        gradient, out = gradient_and_output((x,), here, reference, asked, whole=self.options.reuse_noise)
        if self.options.shared_gradient:
            latents: tuple[Tensor, ...] = (x - weight * gradient.unflatten(0, (-1, len(x))).sum(0),)
        else:
            moved = x.repeat(len(asked), 1, 1, 1) - weight * gradient
            latents = (*(x,) * (rows - len(asked)), *moved.chunk(len(asked)))
        return Rows(latents, None if out is None else self._mixed(out, x, here))

    def reference(self, here: StepContext) -> Recording:
        """The maps of the rows that are moved, or of one that stands for all."""
        inverted = self.options.maps_from == "inversion"
        seen = here.trajectory.maps[here.i] if inverted else here.source.seen
        count = len(here.trajectory.start)
        own = {key: maps for key, maps in seen.items() if key[1] in self._compared(key[0], here.i)}
        return {key: maps[-count:] for key, maps in own.items()} if self.alone else own

    def _mixed(self, out: Tensor, x: Tensor, here: StepContext) -> Tensor:
        """The guided prediction at ``x``, with the rows that had no gradient's pass."""
        missing = len(here.text) - len(out) // len(x)
        if missing:
            text = TextRows(here.text.embeddings[:missing], here.text.weights[:missing])
            latents, blocks = joined((x,) * missing)
            out = torch.cat([predict(here.backbone, here.taps, latents, here.timestep, text, blocks=blocks), out])
        return mixed(out, here.text)


def in_units(lambda_xa: float, x: Tensor, sites: Sequence[Site]) -> float:
    """The weight in this model's units: the loss sums over grid cells, so it grows with their number.

    All cross-attention layers count, whichever are compared.
    """
    cells = sum((x.shape[2] // s.scale) * (x.shape[3] // s.scale) for s in sites if s.kind == "cross")
    return lambda_xa * SD_512_PIXELS / cells


def moved(latents: tuple[Tensor, ...], by: Tensor) -> tuple[Tensor, ...]:
    """Every row's latent minus its part of ``by`` (rows * B, C, h, w); ``latents`` has one for all or each."""
    parts = by.split(len(latents[0]))
    starts = latents if len(latents) == len(parts) else latents * len(parts)
    return tuple(start - part for start, part in zip(starts, parts, strict=True))


def gradient_of_rows(latents: tuple[Tensor, ...], here: StepContext, reference: Recording, text: TextRows) -> Tensor:
    """DL/dx for every row of ``text`` at its own latent (B, C, h, w), or at one for all: (rows * B, C, h, w)."""
    return gradient_and_output(latents, here, reference, text)[0]


def gradient_and_output(
    latents: tuple[Tensor, ...], here: StepContext, reference: Recording, text: TextRows, *, whole: bool = False
) -> tuple[Tensor, Tensor | None]:
    """DL/dx for every row of ``text`` and, of a ``whole`` pass, the output, (rows * B, C, h, w) both.

    ``latents`` are one for all rows or one per row. L sums (M - M_ref)^2 over layers, pixels and tokens and averages
    over two rows and the heads, per picture; two rows whatever their number, so that a row's gradient does not depend
    on which others are computed. Rows of ``reference`` are paired with those of ``text`` from the last; one stands for
    all.
    """
    rows, count, losses = len(text), len(latents[0]), list[Tensor]()
    out: Tensor | None = None

    def measured(site: Site, part: Part, compute: Compute) -> tuple[Tensor, Tensor]:
        probs = compute()
        wanted = reference[site, part]
        if len(wanted) not in (count, rows * count):
            wanted = for_rows(wanted, rows, count)
        distance = probs.unflatten(0, (rows, count)) - wanted.unflatten(0, (-1, count))
        return probs, distance.square().sum() / (2 * probs.shape[1])

    def measure(site: Site, part: Part, compute: Compute) -> Tensor:
        probs, loss = measured(site, part, compute)
        losses.append(loss)
        return probs

    def again(site: Site, part: Part, compute: Compute) -> Tensor:
        return measured(site, part, compute)[0]

    # the gradient is taken at the repeated rows, which do not interact inside the network
    x, blocks = joined(latents if len(latents) == rows else latents * rows)
    taps, repeated = here.taps, x.detach().requires_grad_()

    def compared(site: Site) -> frozenset[Part]:
        return _parts(reference, site)

    with torch.enable_grad(), here.backbone.recomputing() as twice:
        # layers that run twice run to their end, so that they can be told to
        with taps.listening(measure, compared, stop=not whole and not twice):
            out = predict(here.backbone, taps, repeated, here.timestep, text, blocks=blocks).detach()
        loss = torch.stack(losses).sum()
        anew = taps.hearing_again(again, compared) if twice else nullcontext()
        with anew, asking(here.backbone, taps, text.stacked, blocks) if twice else nullcontext():
            (gradient,) = torch.autograd.grad(loss, repeated)
    return gradient, out if whole else None


def _parts(reference: Recording, site: Site) -> frozenset[Part]:
    return PROBS if (site, "probs") in reference else NOTHING
