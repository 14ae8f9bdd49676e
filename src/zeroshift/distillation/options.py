"""What a student is, and how long and how it trains."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs

MAY_CHANGE = {"minutes", "steps", "processes", "strips_every", "save_every"}
"""options that may change when a training goes on"""
OWN: Mapping[str, Mapping[str, Any]] = {
    "one-step": {
        "batch": 8,
        "lr": 1e-3,
        "ema": 0.998,
        "cooldown": 0.4,
        "pixels": 0.5,
        "guidance": 5.0,
        "adversary": 0.5,
        "adversary_from": 0.02,
    },
    "co-mod": {"batch": 64, "lr": 1e-3, "adversary": 1.0, "penalty": 1.0},
}
"""defaults of an architecture where they are others than those below; co-mod's batch and learning rate are published"""


@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, allow_inf_nan=False))
class DistillOptions:
    """How a student is trained; the defaults are those of a residual one, and ``OWN`` has those of the others."""

    architecture: Literal["residual", "one-step", "co-mod"] = "residual"
    """residual: a small U-Net that predicts an edit and where it is; one-step: a diffusion model with low-rank changes,
    asked once; co-mod: the paper's, a co-modulated GAN (the two have defaults of their own for batch and weights)"""
    base: str = "shipped"
    """folder or hub id of the model that one-step changes"""
    rank: Annotated[int, Field(ge=1)] = 24
    """rank of one-step's changes"""
    channels: Annotated[int, Field(ge=1)] = 512
    """channels of co-mod's maps up to 32 x 32, halved with every doubling above"""
    minutes: Annotated[float, Field(gt=0)] | None = None
    """time limit; without it the steps alone decide"""
    steps: Annotated[int, Field(ge=1)] = 10_000
    """steps at most"""
    batch: Annotated[int, Field(ge=1)] = 16
    """pairs per step"""
    lr: Annotated[float, Field(gt=0)] = 5e-4
    """peak learning rate"""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """decay of the weights' moving average; the averaged weights are the student's"""
    cooldown: Annotated[float, Field(ge=0, le=1)] = 0.2
    """share of the budget, at its end, over which the learning rate falls to a hundredth"""
    pixels: Annotated[float, Field(ge=0)] = 2.0
    """weight of the absolute difference of pixels in [-1, 1]; of latents for one-step"""
    features: Annotated[float, Field(ge=0)] = 0.5
    """weight of the distance of an ImageNet network's features, where the extra textures is installed; for one-step of
    the UNet's"""
    sparsity: Annotated[float, Field(ge=0)] = 0.005
    """weight of the mask's mean area"""
    mask: Annotated[float, Field(ge=0)] = 0.5
    """weight of the cross-entropy of the mask with where the teacher changed something"""
    half: Annotated[float, Field(ge=0, le=1)] = 0.2
    """share of the budget, at its beginning, with pictures of half the size: shapes are learned cheaply there"""
    guidance: Annotated[float, Field(ge=0)] = 0.0
    """weight, for one-step, of the way from source to target that the unchanged UNet sees in the edit, as a mean over
    pairs and unpaired"""
    unpaired: Annotated[float, Field(ge=0)] = 0.0
    """photographs of sources beside the pairs of a step, for one-step, as a share of `batch`, at least one unless 0:
    guidance and the adversary alone teach there; they are those of `reals`, else the pairs' own without their edits"""
    adversary: Annotated[float, Field(ge=0)] = 0.15
    """weight of the adversary's verdict; 0 trains without one"""
    adversary_from: Annotated[float, Field(ge=0, le=1)] = 0.2
    """share of the budget from which on there is an adversary"""
    penalty: Annotated[float, Field(ge=0)] = 100.0
    """weight of the adversary's gradient penalties"""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """precision of the networks while training; auto is bf16 where the device computes in it, else fp32"""
    processes: Annotated[int, Field(ge=1)] = 1
    """processes or devices, each with a batch of its own"""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """seed of everything random"""
    save_every: Annotated[float, Field(ge=0)] = 3.0
    """minutes between checkpoints: a kill loses no more"""
    strips_every: Annotated[float, Field(gt=0)] = 5.0
    """minutes between the strips of samples that are written"""

    @model_validator(mode="before")
    @classmethod
    def of_architecture(cls, given: Any) -> Any:
        """What is not given is the architecture's own."""
        named = dict(given.kwargs or {}) if isinstance(given, ArgsKwargs) else dict(given)
        return {**OWN.get(str(named.get("architecture")), {}), **named}
