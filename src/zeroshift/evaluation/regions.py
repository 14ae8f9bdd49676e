"""Which part of a picture is compared, and the two readings of "a part": as published evaluators have it, and without
their quirks.

``paper``: what the evaluator of PIE-Bench does (Ju et al., PnP Inversion, ICLR 2024), so that its table can be met. All
that is outside of the part is painted black in both pictures, and figures are means over the whole frame: a small part
has a better PSNR than a large one for the same error.

``corrected``: figures are means over the part's own pixels.
"""

from typing import Literal, TypeAlias

from torch import Tensor

Mode: TypeAlias = Literal["paper", "corrected"]


def blackened(pictures: Tensor, part: Tensor) -> Tensor:
    """Pictures (B, 3, H, W) that are 0 outside of ``part`` (B, 1, H, W), which may be soft."""
    return pictures * part.to(pictures.dtype)


def mean_over(values: Tensor, part: Tensor | None) -> Tensor:
    """Mean (B,) of values (B, C, H, W) over a part (B, 1, H, W) of the pictures, or all of it; NaN of an empty one."""
    if part is None:
        return values.mean((1, 2, 3))
    weights = part.to(values.dtype)
    return (values * weights).sum((1, 2, 3)) / (weights.sum((1, 2, 3)) * values.shape[1])


def unless_empty(values: Tensor, part: Tensor | None) -> Tensor:
    """Values (B,) with NaN where nothing belongs to the part: such pictures are left out of means."""
    return values if part is None else values.masked_fill(~part.bool().flatten(1).any(1), float("nan"))
