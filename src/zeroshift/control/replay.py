"""Replay: the target's decoder runs on the source's feature and on its queries and keys (Plug-and-Play, section 4).

Tumanyan, Geyer, Bagon, Dekel: Plug-and-Play Diffusion Features for Text-Driven Image-to-Image Translation, CVPR 2023,
arXiv:2211.12572.
"""

from collections.abc import Sequence
from dataclasses import dataclass as plain_dataclass
from typing import Annotated, Literal, final

import torch
import torch.nn.functional as F
from pydantic import ConfigDict, Field, StrictBool, StrictFloat, StrictInt
from pydantic.dataclasses import dataclass
from torch import Tensor

from zeroshift.conditioning.base import EditContext
from zeroshift.control.base import Control, ControlOptions, MethodParts, Rows, StepContext
from zeroshift.control.features import (
    Layers,
    Matching,
    Mixing,
    aligned,
    decoder_layers,
    feature_shares,
    for_rows,
    more_features,
)
from zeroshift.diffusion.noise import random_start
from zeroshift.diffusion.sites import NOTHING, Compute, Handler, Part, Site
from zeroshift.options.shares import whole_steps

MAP: frozenset[Part] = frozenset({"q", "k"})
FEATURE: frozenset[Part] = frozenset({"feature"})
MIXED: frozenset[Part] = frozenset({"v", "output"})


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class Replay(ControlOptions):
    """One residual feature of the source's decoder, and q and k of its self-attention, in place of the target's."""

    kind: Literal["replay"] = "replay"
    """name of this control"""
    feature_until: Annotated[StrictFloat, Field(ge=0, le=1)] = 0.8
    """share of the steps in which the source's feature is replayed"""
    attention_until: Annotated[StrictFloat, Field(ge=0, le=1)] = 0.5
    """share of the steps in which the source's self-attention is replayed"""
    inclusive: StrictBool = False
    """whether the step at the threshold belongs to them, as in the first code"""
    mixing: Mixing = "hard"
    """course of the source's share in the feature: hard ends at feature-until, the others run over all steps"""
    feature_mix: Annotated[StrictFloat, Field(ge=0, le=1)] = 1.0
    """the source's share in the feature where the course is at its highest"""
    attention_mix: Annotated[StrictFloat, Field(ge=0, le=1)] = 1.0
    """share of what the target's values give under the source's attention, the rest under the target's own"""
    extra_features: Annotated[StrictInt, Field(ge=0, le=64)] = 0
    """how many of the decoder's residual blocks after the first are replayed too"""
    encoder_features: StrictBool = False
    """whether the encoder's residual blocks of the same scale are replayed too"""
    match_features: Matching = "off"
    """whether source features are first moved to where the target's resemble them"""
    target_start: Literal["inverted", "random"] = "inverted"
    """where the target begins: at the source's noise, or at fresh noise"""
    start_seed: Annotated[StrictInt, Field(ge=0, lt=2**63)] = 0
    """seed of the fresh noise"""

    def check(self, beside: MethodParts) -> None:
        if self.target_start == "random" and beside.inversion.first(beside.steps):
            raise ValueError("A random start is pure noise; take an inversion that goes all the way, such as direct.")

    def check_network(self, sites: Sequence[Site]) -> None:
        feature = self.feature_mix and (self.feature_until or self.inclusive or self.mixing != "hard")
        if feature or (self.attention_mix and (self.attention_until or self.inclusive)):
            more_features(sites, decoder_layers(sites).features[0], self.extra_features, self.encoder_features)

    def bind(self, run: EditContext) -> Control:
        until = whole_steps(self.feature_until, run.steps) + self.inclusive
        shares = feature_shares(self.mixing, self.feature_mix, until, run.trajectory.schedule)
        mapped = whole_steps(self.attention_until, run.steps) + self.inclusive if self.attention_mix else 0
        if not (any(shares) or mapped):
            return BoundReplay(self, Layers((), ()), shares, 0)
        layers = decoder_layers(run.backbone.sites)
        extra = more_features(run.backbone.sites, layers.features[0], self.extra_features, self.encoder_features)
        return BoundReplay(self, Layers(extra, layers.attention), shares, mapped)


@plain_dataclass(frozen=True, eq=False)
class BoundReplay(Control):
    """Replay in one run."""

    options: Replay
    layers: Layers
    shares: tuple[float, ...]
    """the source's share in the feature at every step"""
    mapped: int
    """how many steps replay attention"""

    def prompt_only(self, i: int) -> bool:
        return True

    def records(self, site: Site, i: int) -> frozenset[Part]:
        if site in self.layers.features and self.shares[i]:
            return FEATURE
        return MAP if site in self.layers.attention and i < self.mapped else NOTHING

    def applies(self, site: Site, i: int) -> frozenset[Part]:
        recorded = self.records(site, i)
        return MIXED if recorded == MAP and self.options.attention_mix < 1 else recorded

    def correct(self, x: Tensor, here: StepContext) -> Rows:
        if self.options.target_start == "inverted" or here.i > here.trajectory.first:
            return Rows((x,))
        return Rows((random_start(x.shape[1:], [self.options.start_seed] * len(x)).to(x),))

    def apply(self, here: StepContext) -> Handler | None:
        if not self.shares[here.i] and here.i >= self.mapped:
            return None
        values: dict[Site, Tensor] = {}

        def of_source(site: Site, part: Part) -> Tensor:
            return for_rows(here.source.seen[site, part], len(here.text), len(here.source.x))

        def replay(site: Site, part: Part, compute: Compute) -> Tensor:
            if part == "feature":
                return self._feature(of_source(site, part), compute, self.shares[here.i])
            if part == "v":
                values[site] = compute()
                return values[site]
            if part == "output":  # linear in the map, so mixing maps is the same
                replayed = F.scaled_dot_product_attention(of_source(site, "q"), of_source(site, "k"), values[site])
                return torch.lerp(compute(), replayed, self.options.attention_mix)
            return of_source(site, part)

        return replay

    def _feature(self, source: Tensor, compute: Compute, share: float) -> Tensor:
        if share == 1 and self.options.match_features == "off":
            return source
        own = compute()
        return torch.lerp(own, aligned(source, own, self.options.match_features), share)
