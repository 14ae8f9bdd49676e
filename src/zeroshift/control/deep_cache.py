"""The deep half of the network computed in some steps only (Ma et al., DeepCache, CVPR 2024, arXiv:2312.00858)."""

from collections.abc import Sequence
from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from typing import Annotated, Literal, final

import torch
from pydantic import ConfigDict, Field, StrictInt
from pydantic.dataclasses import dataclass
from torch import Tensor

from zeroshift.conditioning.base import EditContext
from zeroshift.control.base import Control, ControlOptions, StepContext
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.diffusion.sites import NOTHING, Compute, Handler, Part, Site

FEATURE: frozenset[Part] = frozenset({"feature"})


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class DeepCache(ControlOptions):
    """What the network's coarser stages give the target in one step serves the next ones too; approximate."""

    kind: Literal["deep-cache"] = "deep-cache"
    """name of this extra"""
    cache_steps: Annotated[StrictInt, Field(ge=1, le=50)] = 2
    """one in how many steps passes through the coarser stages, where nothing else is done in the network; 1 is off"""

    def check_network(self, sites: Sequence[Site]) -> None:
        if not any(site.kind == "deep" for site in sites):
            raise Unsupported("This network has one stage, and none that is coarser; leave `extras` deep-cache out.")

    def bind(self, run: EditContext) -> Control:
        return KeptFeatures(self.cache_steps) if self.cache_steps > 1 else Control()


@plain_dataclass(frozen=True, eq=False)
class KeptFeatures(Control):
    """The cache in one run."""

    serves: int
    """how many steps one pass through the deep half serves"""
    kept: list[tuple[int, Tensor]] = field(default_factory=list)
    """of how many prompts, and what the deep half gave them last; one or none"""

    def applies(self, site: Site, i: int) -> frozenset[Part]:
        return FEATURE if site.kind == "deep" else NOTHING

    def apply(self, here: StepContext) -> Handler:
        def feature(site: Site, part: Part, compute: Compute) -> Tensor:
            # where another control looks into the network, all of it has to run
            alone = here.taps.listened == {site.name} and not torch.is_grad_enabled()
            if alone and here.i % self.serves and self.kept and self.kept[0][0] == len(here.text):
                return self.kept[0][1]
            x = compute()
            self.kept[:] = [(len(here.text), x.detach())]
            return x

        return feature
