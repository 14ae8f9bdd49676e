"""What can be measured in a photograph and put into words: its background's colour and its light."""

import torch
from torch import Tensor

from zeroshift.miniature.renderings import luma

CORNER = 6
"""the upper corners, a sixth of the side each, are where portraits show their background"""
DARK, BRIGHT = 0.29, 0.62
"""mean grey values, 0 to 1, below and above which light is worth a word: about a twentieth of photographs each"""
CALM = 0.13
"""largest root mean squared deviation, 0 to 1, of corners that are called one colour"""


BLURRY = 0.2
"""sharpness below which a photograph is called blurry: about a seventh of them at 128 pixels"""


def blurry(pictures: Tensor) -> list[bool]:
    """Whether each of uint8 pictures (N, 3, S, S) is blurry.

    Sharpness is the mean absolute Laplacian in units of the picture's standard deviation, which counts as a tenth of
    the range at least: a flat picture is not blurry for it.
    """
    grey = luma(pictures)[:, 0] / 255
    inside = grey[:, 1:-1, 1:-1]
    around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    sharpness = (4 * inside - around).abs().mean((1, 2)) / grey.std((1, 2)).clamp(min=0.1)
    return (sharpness < BLURRY).tolist()


def light(pictures: Tensor) -> list[str]:
    """ "dark", "bright" or "photo" for each of uint8 pictures (N, 3, S, S)."""
    means = luma(pictures).mean((1, 2, 3)) / 255
    return ["dark" if m < DARK else "bright" if m > BRIGHT else "photo" for m in means.tolist()]


def background(pictures: Tensor) -> list[str]:
    """The colour of each picture's background; nothing where its upper corners show more than one."""
    side = pictures.shape[-1] // CORNER
    corners = torch.stack([pictures[..., :side, :side], pictures[..., :side, -side:]], 1).float() / 255
    mean = corners.mean((1, 3, 4))
    spread = (corners - mean[:, None, :, None, None]).square().mean((1, 2, 3, 4)).sqrt()
    return [colour(m) if s < CALM else "" for m, s in zip(mean.tolist(), spread.tolist(), strict=True)]


def colour(rgb: list[float]) -> str:
    """The name of a colour with parts from 0 to 1; nothing where people would not agree on one."""
    red, green, blue = rgb
    value, chroma = max(rgb), max(rgb) - min(rgb)
    if value < 0.18:
        return "black"
    if chroma < 0.06:
        return "white" if value > 0.78 else "grey" if 0.3 < value < 0.7 else ""
    if chroma / value < 0.2:
        return ""
    if green == value and green > 1.12 * max(red, blue):
        return "green"
    if min(red, green) > 0.85 * max(red, green) and blue < min(red, green):
        return "yellow" if value > 0.55 and chroma / value > 0.3 else ""
    if green == value:
        return ""
    if blue == value:
        return "blue" if blue > 1.12 * green and blue > 1.25 * red else ""
    if blue - green > 0.12 * red:  # pink, purple
        return ""
    return "red" if green < 0.5 * red else "brown" if value < 0.75 else ""
