"""What keeps an edit near its photograph whatever the method: its mask, and a strength below 1."""

from collections.abc import Sequence
from dataclasses import replace

from zeroshift.asked.request import Request
from zeroshift.control.base import Control, Stack
from zeroshift.control.later_start import LaterStart
from zeroshift.control.mask_blend import MaskBlend
from zeroshift.framed import Encoded, FramedPhoto
from zeroshift.masks.masking import latent_mask
from zeroshift.methods import Method
from zeroshift.methods.base import Planned
from zeroshift.results import Place, Result


def first_step(request: Request) -> int:
    """The step at which an edit leaves the photograph; of strength 0 there is none."""
    method = request.method
    if request.words_alone:
        return method.inversion.first(method.steps)
    return method.inversion.begins(method.steps, method.strength) if method.strength else method.steps


def bound_as(request: Request) -> Method:
    """The method that gives the prompts: where a weaker edit begins at less noise, they are the whole edit's."""
    method = request.method
    if first_step(request) in (method.inversion.first(method.steps), method.steps):
        return method
    return replace(method, conditioning=replace(method.conditioning, strength=1.0))


def bounded(
    planned: Planned,
    request: Request,
    frames: Sequence[FramedPhoto],
    places: Sequence[Place | None],
    photographs: Encoded,
) -> Planned:
    """The same target branch, which stays at the photographs outside of their masks and before it begins.

    Where its mask is to grow, it is free.
    """
    mask = None if request.grown else latent_mask(frames, places, photographs.backbone.factor)
    begins, method = first_step(request), request.method
    later = begins > method.inversion.first(method.steps)
    if mask is None and not later:
        return planned
    x0 = photographs.x0
    controls: list[Control] = [LaterStart(begins, x0)] if later else []
    controls += [planned.branch.control] if begins < method.steps else []
    controls += [] if mask is None else [MaskBlend(mask.to(x0.device), x0)]
    return replace(planned, branch=replace(planned.branch, control=Stack(controls)))


def with_stills(
    results: Sequence[Sequence[Result]], requests: Sequence[Request], frames: Sequence[FramedPhoto]
) -> tuple[tuple[Result, ...], ...]:
    """The same results, by picture and request, of strength 0 the photographs themselves."""

    def kept(one: Result, frame: FramedPhoto) -> Result:
        return replace(one, image=frame.photo.with_alpha(frame.photo.image), native=frame.pixels)

    return tuple(
        tuple(
            one if r.method.strength or r.words_alone else kept(one, frame)
            for one, r in zip(row, requests, strict=True)
        )
        for row, frame in zip(results, frames, strict=True)
    )
