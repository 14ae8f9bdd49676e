"""What an edit costs, counted on the method's own code: shapes flow through a model on the meta device.

The unit is SF, one forward pass of the UNet on one sample. Counted are the products of matrices and the convolutions
of everything that inversion and sampling run, forward and backward, attention as it is written out in formulas (a
fused kernel that recomputes does more in its backward pass). Text encoder and VAE run once per edit and are left out.
"""

import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from zeroshift.backbones.base import Backbone
from zeroshift.backbones.locate import find_configs
from zeroshift.backbones.outline import outline_of, outline_of_sd15
from zeroshift.conditioning.direction import Direction
from zeroshift.conditioning.task import Task
from zeroshift.control.base import Recorded
from zeroshift.embedding import Embedding
from zeroshift.methods import Method
from zeroshift.sampling import Edit, record, sample, sliding
from zeroshift.sites import tapped
from zeroshift.trajectory import Trajectory

SD15 = "sd15"
"""Stable Diffusion 1.5, which needs no file"""
OFFICIAL: dict[str, Callable[[int], float]] = {"pix2pix-zero": lambda steps: 7 * steps - 2 + 2 * steps * 1.17}
"""SF of a first edit by the authors' code: pix2pix-zero inverts T - 2 times, runs six forward and two backward passes
per step; parameter gradients that nobody uses make a backward pass 1.17 forward passes on SD 1.5"""
DIFFUSERS: dict[str, Callable[[int], float]] = {"pix2pix-zero": lambda steps: 7 * steps + 2 * steps * 1.90}
"""SF of a first edit by diffusers' pipeline, which computes the gradient of nearly every parameter"""
WHOLE: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "pix2pix-zero": lambda options: (
        options["guidance_scale"] > 1
        and options["control"]["lambda_xa"] > 0
        and options["inversion"]["kind"] == "regularised"
    )
}
"""whether a method's options are those of an edit that the formulas are for: other code always runs every part"""


@dataclass(frozen=True)
class Cost:
    """Cost of editing one picture."""

    method: str
    model: str
    size: int
    """side of the picture in pixels"""
    steps: int
    unet_forward_tflop: float
    """1 SF in 10^12 floating-point operations, two per multiplication and addition"""
    first_edit_sf: float
    """inversion, source branch and edit"""
    further_edit_sf: float
    """another edit of the same picture later: the inversion was kept"""
    further_target_sf: float
    """another target or strength in the same run, which shares inversion and source branch"""
    official_first_edit_sf: float | None
    """the same first edit by the authors' published code, if that is known and can do it"""
    diffusers_first_edit_sf: float | None
    """the same first edit by diffusers, if that has the method and can do it"""
    maps_held_steps: int
    """the most source steps whose recordings are held at once"""
    maps_held_mb: float
    """their size in 10^6 bytes in fp32"""

    def as_dict(self) -> dict[str, str | int | float | None]:
        """Return everything, flat."""
        return asdict(self)


@dataclass(frozen=True)
class Flops:
    """Floating-point operations of the parts of a run."""

    inversion: float
    one_target: float
    """sampling with one target, source branch included"""
    two_targets: float

    def extended(self, other: "Flops", steps: int, at: tuple[int, int]) -> "Flops":
        """Return the count at ``steps`` on the line through this one and ``other``, taken at the step counts ``at``."""
        share = (steps - at[0]) / (at[1] - at[0])
        pairs = zip(asdict(self).values(), asdict(other).values(), strict=True)
        return Flops(*(low + (high - low) * share for low, high in pairs))


def measure(
    method: Method,
    *,
    model: str | Path = SD15,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    size: int | None = None,
    at: tuple[int, int] = (3, 4),
) -> Cost:
    """Count an edit of one picture by ``method``, without weights.

    Args:
        method: with its own number of steps.
        model: "sd15", or a checkpoint (folder or hub id) of which only the configurations are there or downloaded.
        revision: hub revision.
        cache_dir: where hub downloads are kept.
        size: side of the picture in pixels; default the model's own.
        at: two step counts that are run; the line through them is extended to the method's steps.

    Raises:
        ValueError: the model cannot be found, or its network cannot take pictures of ``size``.
    """
    backbone = outline_of_sd15() if model == SD15 else outline_of(find_configs(model, revision, cache_dir))
    size = size or backbone.size
    if size % backbone.multiple:
        raise ValueError(f"The size must be a multiple of {backbone.multiple} for this model, not {size}.")
    side = size // backbone.factor
    x0 = torch.zeros(1, backbone.latent_channels, side, side, device=backbone.device)
    low, high = (count(backbone, replace(method, steps=steps), x0) for steps in at)
    flops, unit = low.extended(high, method.steps, at), forward_flops(backbone, x0)
    held, held_bytes = maps_held(backbone, replace(method, steps=at[1]), x0)
    return Cost(
        method=method.name,
        model=backbone.identity.name,
        size=size,
        steps=method.steps,
        unet_forward_tflop=unit / 1e12,
        first_edit_sf=(flops.inversion + flops.one_target) / unit,
        further_edit_sf=flops.one_target / unit,
        further_target_sf=(flops.two_targets - flops.one_target) / unit,
        official_first_edit_sf=published(OFFICIAL, method),
        diffusers_first_edit_sf=published(DIFFUSERS, method),
        maps_held_steps=held,
        maps_held_mb=held_bytes / 1e6,
    )


def published(formulas: Mapping[str, Callable[[int], float]], method: Method) -> float | None:
    """Return what other code needs for the same first edit; None if it is unknown or ``method`` leaves a part out."""
    options = TypeAdapter(type(method)).dump_python(method)
    if method.name not in formulas or not WHOLE[method.name](options):
        return None
    return formulas[method.name](method.steps)


def count(backbone: Backbone, method: Method, x0: Tensor) -> Flops:
    """Run inversion and sampling from the clean latent ``x0`` (B, C, h, w) under the counter, on whatever device."""
    prompt = _prompt(backbone, x0)
    latents: list[Tensor] = []
    inversion = flops_of(lambda: latents.extend(method.inversion.steps(backbone, x0, prompt, method.steps, 0)))
    trajectory = method.inversion.trajectory(backbone, latents, method.steps)

    def sampling(targets: int) -> int:
        edits = [_planned(backbone, method, prompt) for _ in range(targets)]
        return flops_of(lambda: deque(sample(backbone, trajectory, edits), maxlen=0))

    return Flops(inversion, sampling(1), sampling(2))


def forward_flops(backbone: Backbone, x0: Tensor) -> int:
    """Count one forward pass on the first sample of ``x0``: 1 SF."""
    tokens = _prompt(backbone, x0[:1]).tokens
    with torch.no_grad():
        return flops_of(lambda: backbone.predict(x0[:1], 1, tokens))


@torch.no_grad()
def maps_held(backbone: Backbone, method: Method, x0: Tensor) -> tuple[int, int]:
    """Walk the source branch as sampling does; return the most steps recorded and held at once, and the fp32 bytes."""
    edit = _planned(backbone, method, _prompt(backbone, x0))
    trajectory = Trajectory(backbone.schedule(method.steps), (x0,))
    recordings: list[list[weakref.ref[Tensor]]] = []
    held = [(0, 0)]

    def watched(source: Iterator[Recorded]) -> Iterator[Recorded]:
        for recorded in source:
            recordings.append([weakref.ref(value) for value in recorded.seen.values()])
            alive = [sum(_count(value) for value in step) for step in recordings]
            held.append((sum(size > 0 for size in alive), 4 * sum(alive)))
            yield recorded
            del recorded  # this watcher keeps nothing alive itself

    with tapped(backbone, edit.control.wanted) as taps:
        source = record(backbone, taps, trajectory, edit.conditioning, edit.control)
        for _ in sliding(watched(source), *edit.control.window):
            pass
    return max(held)


def _count(value: weakref.ref[Tensor]) -> int:
    tensor = value()
    return 0 if tensor is None else tensor.numel()


def _prompt(backbone: Backbone, x0: Tensor) -> Embedding:
    return backbone.embed(["a photo"]).repeat(len(x0))


def _planned(backbone: Backbone, method: Method, prompt: Embedding) -> Edit:
    """Plan an edit along a direction of zeros: making one is work for the text encoder, which is not counted."""
    task = Task("a photo", "a picture", "a photo", "a picture", None)
    direction = Direction(torch.zeros(prompt.tokens[:1].shape), {})
    return method.edit(backbone, task, prompt, photograph=True, direction=direction).branch


def flops_of(run: Callable[[], object]) -> int:
    """Count the floating-point operations of ``run()``."""
    # written-out attention everywhere, so that every device and fused kernel counts the same
    counter = _Counter()
    with sdpa_kernel(SDPBackend.MATH), counter:
        run()
    return counter.flops


class _Counter(TorchDispatchMode):
    """torch's formulas, without the module tracker of ``FlopCounterMode``, which a pass that ends early confuses."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it without types
        self.flops = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401 - torch's signature
        out = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func.overloadpacket)
        if formula is not None:
            self.flops += formula(*args, **(kwargs or {}), out_val=out)
        return out
