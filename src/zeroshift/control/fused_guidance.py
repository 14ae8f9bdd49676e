"""Fused guidance: the reference maps come from the source and from its regenerations under rich prompts (ReDiffuser).

No code of the paper (arXiv:2305.04651) is published and its figures name no number: whatever they leave open is marked
here with "open in the paper".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass as plain_dataclass
from dataclasses import field, replace
from math import isclose
from typing import Annotated, ClassVar, Literal, TypeAlias, final

import torch
from pydantic import ConfigDict, Field, StrictFloat
from pydantic.dataclasses import dataclass
from torch import Tensor

from zeroshift.conditioning.base import EditContext
from zeroshift.conditioning.rich import RichRows
from zeroshift.control.base import Control, MethodParts, Rows, StepContext
from zeroshift.control.guidance import (
    PROBS,
    GuidanceOptions,
    gradient_and_output,
    gradient_of_rows,
    in_units,
    moved,
)
from zeroshift.control.mirror_guidance import cycle_weights
from zeroshift.control.regeneration import chain, shared
from zeroshift.diffusion.embedding import TextRows
from zeroshift.diffusion.prediction import mixed
from zeroshift.diffusion.sites import NOTHING, Compute, Handler, Part, Recording, Site
from zeroshift.diffusion.source_branch import Recorded, SourceBranch, record

Weights: TypeAlias = tuple[float, float, float]
"""of the maps of source, prompts in between, and edited prompt"""
PRESETS: dict[str, Weights] = {
    "pairwise": (1 / 4, 1 / 4, 1 / 2),
    "equal": (1 / 3, 1 / 3, 1 / 3),
    "source-heavy": (0.6, 0.2, 0.2),
}
"""readings of the figure's operator, which is open in the paper: the mean of two, taken in the order drawn; the mean of
the six maps drawn; and one that keeps most of the source"""


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class FusedGuidance(GuidanceOptions):
    """Cross-attention guidance towards the source's maps, fused with regenerated maps of the steps before and after."""

    fuses_rich: ClassVar[bool] = True

    kind: Literal["fused-guidance"] = "fused-guidance"
    """name of this control"""
    fusion: Literal["pairwise", "equal", "source-heavy"] = "pairwise"
    """weights of source, in-between and edited maps: 1/4, 1/4, 1/2; 1/3 each; or 0.6, 0.2, 0.2"""
    fusion_weights: tuple[Annotated[StrictFloat, Field(ge=0, le=1)], ...] = ()
    """three weights of your own that sum to 1; 1,0,0 is pix2pix-zero"""
    fused_rows: Literal["both", "prompt"] = "both"
    """prompt rows that follow the fused maps; with prompt, the negative row follows the source's"""
    regeneration: Literal["shared", "chain"] = "shared"
    """all prompts on the source's latents, or a guided run for each prompt, guided to the maps of the one before"""
    cooperative: Literal["none", "two-gradient", "latent-blend"] = "none"
    """cooperative update: a weaker step under the source prompt first, or regeneration on latents near the edit's"""
    regenerated_share: Annotated[StrictFloat, Field(ge=0, le=1)] = 0.5
    """latent-blend: what a regenerated latent keeps of itself at the last step, falling from 1 at the first"""
    map_update: Literal["none", "multiply", "multiply-normalised"] = "none"
    """multiply the edit's maps by the mean of source and regenerated ones; normalised: to sum to 1 again"""

    def __post_init__(self) -> None:
        # weights that sum to 1 keep fused maps distributions over the tokens
        if self.fusion_weights and (len(self.fusion_weights) != 3 or not isclose(sum(self.fusion_weights), 1)):
            given = ",".join(f"{w:g}" for w in self.fusion_weights)
            raise ValueError(f"`fusion_weights` are three numbers that sum to 1, such as 0.6,0.2,0.2, not {given}.")
        if self.reuse_noise and self.map_update != "none":
            raise ValueError(
                "The gradient's pass has the edit's own maps, so its noise knows nothing of a map update; leave "
                "`reuse_noise` or `map_update` out."
            )

    @property
    def weights(self) -> Weights:
        """The weights of source, in-between and edited maps."""
        w_source, w_between, w_edited = self.fusion_weights or PRESETS[self.fusion]
        return w_source, w_between, w_edited

    @property
    def regenerated(self) -> tuple[bool, bool]:
        """Whether the maps of the prompts in between and of the edited one are needed."""
        _, between, edited = (weight > 0 for weight in self.weights)
        if self.map_update != "none":
            return True, True
        # the last of a chain is guided to the maps of those before it
        return between or (edited and self.regeneration == "chain"), edited

    @property
    def own_source(self) -> bool:
        """Whether the source branch is walked for one edit alone."""
        return self.regeneration == "chain" or self.cooperative == "latent-blend"

    def source_key(self, beside: MethodParts) -> tuple[object, ...]:
        return (self, beside.conditioning, beside.guidance_scale) if self.own_source else self.regenerated

    def check_network(self, sites: Sequence[Site]) -> None:
        if self.guides or self.map_update != "none":
            self.compared(sites)

    def bind(self, run: EditContext) -> Control:
        if not isinstance(run.conditioning, RichRows):
            raise ValueError("Fused guidance needs rich prompts; take `conditioning` rich.")
        if not self.guides and self.map_update == "none":
            return Control()
        # which steps take two, and the first's weight, is open in the paper: here as in the author's MirrorDiffusion
        two = cycle_weights(4, run.steps) if self.cooperative == "two-gradient" else {}
        between, edited = self.regenerated
        shares = tuple(s for s in run.conditioning.shares if (between if s < 1 else edited))
        rich, layers = replace(run.conditioning, shares=shares), self.compared(run.backbone.sites)
        until = self.until(run.steps) if self.guides else 0
        return BoundFusion(self, rich, layers, until, two, window=(1, 1) if shares else (0, 0))


@plain_dataclass(frozen=True, eq=False)
class BoundFusion(Control):
    """Fused guidance in one run."""

    options: FusedGuidance
    rich: RichRows
    """the prompts whose maps are needed"""
    layers: frozenset[Site]
    """whose maps are compared"""
    until: int
    """how many steps are guided"""
    two: dict[int, float]
    """weight of the first of two gradient steps, by step"""
    window: tuple[int, int]
    latest: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    """clean part and noise of the edit's latest prediction, for latent-blend"""

    def records(self, site: Site, i: int) -> frozenset[Part]:
        if self.options.map_update != "none":
            return PROBS if site.kind == "cross" else NOTHING
        # the last guided step looks at the maps of the one after it
        return PROBS if site in self.layers and i < self.until + self.window[1] else NOTHING

    def walk(self, source: SourceBranch) -> Iterator[Recorded]:
        """Walk the source branch and regenerate beside it; each step's maps begin with the regenerated ones."""
        source = replace(source, conditioning=self.rich)
        if self.options.regeneration == "chain":
            return chain(source, self.rich, self.options.lambda_xa, self.followed)
        return shared(source, self.rich, self.followed) if self.options.own_source else record(source)

    def followed(self, x: Tensor, i: int, source: SourceBranch) -> Tensor:
        """A regenerated latent ``x`` at step ``i``, with latent-blend moved towards the edit.

        Open in the paper. The edit stands two steps back when the source is walked one step ahead, so that its latest
        prediction is carried to this level; the share that stays falls linearly.
        """
        if self.options.cooperative != "latent-blend" or not self.latest:
            return x
        share = 1 - (1 - self.options.regenerated_share) * i / source.trajectory.schedule.steps
        return share * x + (1 - share) * source.trajectory.schedule.join_at(*self.latest[0], i)

    def correct(self, x: Tensor, here: StepContext) -> Rows:
        """X_t - lambda dL/dx_t per row, L against the fused maps; with two gradients, the first under c."""
        if here.i >= self.until:
            return Rows((x,))
        latents: tuple[Tensor, ...] = (x,)
        reference = self.reference(here)
        weight = in_units(self.options.lambda_xa, x, here.backbone.sites)
        if here.i in self.two:
            prompt = self.rich.own(here.i).embeddings[-1]
            plain = TextRows((*here.text.embeddings[:-1], prompt), here.text.weights)
            latents = moved(latents, weight * self.two[here.i] * gradient_of_rows(latents, here, reference, plain))
        gradient, out = gradient_and_output(latents, here, reference, here.text, whole=self.options.reuse_noise)
        return Rows(moved(latents, weight * gradient), None if out is None else mixed(out, here.text))

    def reference(self, here: StepContext) -> Recording:
        """The fused maps of every layer."""
        return {key: self.fused(here, key) for key in here.source.seen if key[0] in self.layers}

    def fused(self, here: StepContext, key: tuple[Site, Part]) -> Tensor:
        """W_X M^X_t + w_Y' mean(M^Y'_t+1, M^Y'_t-1) + w_Y mean(M^Y_t+1, M^Y_t-1) of one layer.

        At the first and the last step there is one neighbour, and its map is the mean (open in the paper).
        """
        own, _ = self.sorted(here.source.seen[key], here)
        around = [r for r in here.recorded if abs(r.i - here.i) == 1] or [here.source]
        regenerated = torch.stack([self.sorted(r.seen[key], here)[1] for r in around]).mean(0)
        w_source, w_between, w_edited = self.weights(here.i)
        fused, between = w_source * own, sum(share < 1 for share in self.rich.shares)
        if between:  # several share their weight equally: their number is open in the paper
            fused = fused + w_between * regenerated[:between].mean(0)
        if between < len(regenerated):
            fused = fused + w_edited * regenerated[-1]
        if self.options.fused_rows == "prompt" and len(here.text) > 1:
            fused = torch.stack([own[0], fused[-1]])
        joined: Tensor = fused.flatten(0, 1)
        return joined

    def sorted(self, maps: Tensor, here: StepContext) -> tuple[Tensor, Tensor]:
        """The source's own maps and the regenerated ones, (rows, B, heads, S, L) each."""
        rows = maps.unflatten(0, (-1, len(here.trajectory.start)))
        return rows[len(self.rich.shares) :], rows[: len(self.rich.shares)]

    def weights(self, i: int) -> Weights:
        """The fusion's weights at step ``i``.

        The paper has one strength, 1, and these are its weights. Below, the regenerated maps count for less, so that
        an edit of no strength is guided to the source alone and stays the reconstruction; above, they stay.
        """
        share = min(self.rich.strengths[i], 1.0)
        w_source, w_between, w_edited = self.options.weights
        return 1 - share * (1 - w_source), share * w_between, share * w_edited

    def applies(self, site: Site, i: int) -> frozenset[Part]:
        return self.records(site, i) if self.options.map_update != "none" else NOTHING

    def apply(self, here: StepContext) -> Handler | None:
        if self.options.map_update == "none":
            return None

        def multiply(site: Site, part: Part, compute: Compute) -> Tensor:
            own, regenerated = self.sorted(here.source.seen[site, part], here)
            mean = torch.cat([regenerated, own[-1:]]).mean(0)
            probs = compute().unflatten(0, (len(here.text), -1)) * mean
            whole = probs / probs.sum(-1, keepdim=True) if self.options.map_update == "multiply-normalised" else probs
            joined: Tensor = whole.flatten(0, 1)
            return joined

        return multiply

    def steer(self, x0: Tensor, eps: Tensor, x: Tensor, here: StepContext) -> tuple[Tensor, Tensor]:
        self.latest[:] = [(x0, eps)] if self.options.cooperative == "latent-blend" else []
        return x0, eps
