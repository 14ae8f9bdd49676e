"""Renderings of photographs in other styles: what the trainer teaches words for, and the captioner is tried on.

Everything takes and returns uint8 pictures (N, 3, S, S); widths are given for pictures of 128 pixels and grow with S.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from zeroshift.image.tensors import to_bytes

GREY = (0.299, 0.587, 0.114)
"""what red, green and blue weigh in a grey value (ITU-R BT.601)"""


def sketch(pictures: Tensor) -> Tensor:
    """Pencil lines on white paper: grey values divided by their blurred selves ("colour dodge")."""
    grey = blurred(luma(pictures), width(pictures, 0.7)) + 16  # dark noise is no line
    lines = grey / blurred(grey, width(pictures, 4))
    shade = 0.8 + 0.2 * grey / 271  # a little of the shading keeps dark coats apart from light ones
    return three(255 * lines.clamp(max=1) ** 2.5 * shade)


def black_and_white(pictures: Tensor) -> Tensor:
    """The grey photograph, with a film's contrast."""
    grey = luma(pictures) / 255
    return three(255 * (grey + 0.6 * grey * (1 - grey) * (2 * grey - 1)))


def painting(pictures: Tensor) -> Tensor:
    """Brush strokes: every pixel takes the mean of the calmest of four squares beside it (Kuwahara et al. 1976),
    in few, strong colours."""
    x, reach = pictures.float(), max(1, round(width(pictures, 2)))
    means, spreads = zip(*(corner(x, reach, dy, dx) for dy in (0, 1) for dx in (0, 1)), strict=True)
    calmest = torch.stack(spreads).argmin(0, keepdim=True)[:, :, None].expand(-1, -1, 3, -1, -1)
    strokes = torch.stack(means).gather(0, calmest)[0]
    grey = luma(to_bytes(strokes))
    vivid = (grey + 1.35 * (strokes - grey)).clamp(0, 255)
    levels = 9
    return to_bytes((vivid / 255 * levels).round() / levels * 255)


def night(pictures: Tensor) -> Tensor:
    """The same scene by moonlight: dark, bluish and nearly without colours (day for night)."""
    x, grey = pictures.float() / 255, luma(pictures) / 255
    faint = grey + 0.35 * (x - grey)
    blue = torch.tensor([0.36, 0.45, 0.72], device=x.device)[:, None, None]
    return to_bytes(255 * faint**1.3 * blue)


RENDERINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "sketch": sketch,
    "black-and-white": black_and_white,
    "painting": painting,
    "night": night,
}


def luma(pictures: Tensor) -> Tensor:
    """Grey values (N, 1, S, S), 0 to 255."""
    return (pictures.float() * torch.tensor(GREY, device=pictures.device)[:, None, None]).sum(1, keepdim=True)


def three(grey: Tensor) -> Tensor:
    """Grey values as pictures of three equal channels."""
    return to_bytes(grey).expand(-1, 3, -1, -1).contiguous()


def width(pictures: Tensor, at_128: float) -> float:
    """A width in pixels that is ``at_128`` for pictures of 128 pixels."""
    return at_128 * pictures.shape[-1] / 128


def blurred(x: Tensor, sigma: float) -> Tensor:
    """Pictures (N, C, H, W) under a Gaussian of ``sigma`` pixels."""
    reach = max(1, round(3 * sigma))
    bell = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=x.device) / sigma) ** 2)
    kernel = (bell / bell.sum()).expand(x.shape[1], 1, 1, -1)
    wide = F.conv2d(F.pad(x, (reach, reach, 0, 0), mode="reflect"), kernel, groups=x.shape[1])
    return F.conv2d(F.pad(wide, (0, 0, reach, reach), mode="reflect"), kernel.mT, groups=x.shape[1])


def corner(x: Tensor, reach: int, dy: int, dx: int) -> tuple[Tensor, Tensor]:
    """Mean (N, 3, S, S) and variance, the channels' summed, (N, S, S) of the square on one side of every pixel.

    ``dy`` and ``dx`` are 0 for above and left, 1 for below and right.
    """
    size = x.shape[-1]
    padded = F.pad(x, (reach,) * 4, mode="reflect")
    mean, square = (F.avg_pool2d(p, reach + 1, 1) for p in (padded, padded.square()))
    rows, columns = slice(dy * reach, dy * reach + size), slice(dx * reach, dx * reach + size)
    spread = (square - mean.square()).sum(1)
    return mean[..., rows, columns], spread[..., rows, columns]
