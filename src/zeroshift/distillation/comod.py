"""The student ``co-mod``: the paper's, a co-modulated image-conditional GAN.

Zhao et al. 2021, Large Scale Image Completion via Co-Modulated Generative Adversarial Networks (arXiv:2103.10428),
section 3.2, on StyleGAN2's layers; pix2pix-zero says of its student no more than its name, so the widths are choices.
"""

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from zeroshift.distillation.parts import Told
from zeroshift.distillation.stylegan import Conv, Dense, Mapping, Modulated, Styled, active, doubled, spread_within

START = 4
"""side of the smallest maps"""
DROPPED = 0.5
"""share of the picture's global vector that is dropped while training"""


def widths_of(size: int, channels: int) -> list[int]:
    """Channels of the maps of each size, from 4 x 4 on: halved with every doubling above 32 x 32."""
    sides = [START * 2**n for n in range(size.bit_length() - START.bit_length() + 1)]
    return [max(1, min(channels, 32 * channels // side)) for side in sides]


class CoModulated(nn.Module, PyTorchModelHubMixin):
    """A generator whose styles are of the picture, of a latent, and of what it is told (section 3.2, equation 3).

    Args:
        directions: pairs of words, source and target, that it knows.
        size: side of the pictures in pixels, a power of two from 32 to 512.
        channels: of maps up to 32 x 32.
        styles: width of each of a style's three parts.
        layers: of the mapping network.

    Raises:
        ValueError: there is no such size.
    """

    architecture: str = "co-mod"

    def __init__(
        self, directions: list[list[str]], size: int = 128, channels: int = 512, styles: int = 512, layers: int = 8
    ) -> None:
        super().__init__()
        if size not in (32, 64, 128, 256, 512):
            raise ValueError(f"A co-modulated student takes pictures of 32, 64, 128, 256 or 512 pixels, not {size}.")
        self.directions, self.size, self.multiple = [tuple(pair) for pair in directions], size, size
        self.latent, widths = styles, widths_of(size, channels)
        self.told, self.mapping = Told(len(directions), styles), Mapping(styles, styles, layers)
        self.seen = Conv(3, widths[-1], 1)
        self.shrink = nn.ModuleList(Shrinking(*pair) for pair in zip(widths[:0:-1], widths[-2::-1], strict=True))
        flat = widths[0] * START**2
        self.last, self.whole, self.dropped = Conv(widths[0], widths[0]), Dense(flat, styles), nn.Dropout(DROPPED)
        self.first = Dense(styles, flat)
        self.start, self.start_rgb = Styled(widths[0], widths[0], 3 * styles), Rgb(widths[0], 3 * styles)
        self.grow = nn.ModuleList(Growing(*pair, 3 * styles) for pair in zip(widths[:-1], widths[1:], strict=True))

    def encoded(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """A picture's global vector (B, S), and its maps from 4 x 4 to the picture's size."""
        x = active(self.seen(x))
        maps = [x]
        for block in self.shrink:
            x = block(x)
            maps.append(x)
        maps[-1] = x = active(self.last(x))
        return self.dropped(active(self.whole(x.flatten(1)))), maps[::-1]

    def edited(self, x: Tensor, direction: Tensor, intensity: Tensor) -> tuple[Tensor, None]:
        """Edits (B, 3, S, S) of pictures in [-1, 1]; where they are it does not say."""
        return self(x, direction, intensity), None

    def forward(self, x: Tensor, direction: Tensor, intensity: Tensor, z: Tensor | None = None) -> Tensor:
        """Edited pictures (B, 3, S, S).

        Args:
            x: pictures (B, 3, S, S) in [-1, 1].
            direction: (B,), int64, which of ``directions``.
            intensity: (B,) from 0 to 1.
            z: latents (B, L) from a unit normal; None takes the mean style, so that a picture has one edit.
        """
        whole, maps = self.encoded(x)
        style = torch.cat([whole, self.mapping(z, len(x)), self.told(direction, intensity)], 1)
        h = active(self.first(whole)).unflatten(1, (-1, START, START)) + maps[0]
        h = self.start(h, style)
        picture: Tensor = self.start_rgb(h, style)
        for block, seen in zip(self.grow, maps[1:], strict=True):
            h, picture = block(h, picture, seen, style)
        return picture


class Shrinking(nn.Module):
    """Two convolutions, the second to half the size; with ``skip`` a linear way past both (StyleGAN2, section 4.1)."""

    def __init__(self, wide: int, narrow: int, *, skip: bool = False) -> None:
        super().__init__()
        self.first, self.second = Conv(wide, wide), Conv(wide, narrow, down=2)
        self.skip = Conv(wide, narrow, 1, down=2, bias=False) if skip else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, narrow, h, w) of (B, wide, H, W)."""
        y = active(self.second(active(self.first(x))))
        return y if self.skip is None else (y + self.skip(x)) / 2**0.5


class Growing(nn.Module):
    """Twice the size: maps with the encoder's beside them, and what they add to the picture."""

    def __init__(self, narrow: int, wide: int, styles: int) -> None:
        super().__init__()
        self.up, self.same = Styled(narrow, wide, styles, up=2), Styled(wide, wide, styles)
        self.rgb = Rgb(wide, styles)

    def forward(self, x: Tensor, picture: Tensor, seen: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """Maps (B, C, 2h, 2w) and picture (B, 3, 2h, 2w) of those of half the size, and the encoder's maps."""
        x = self.same(self.up(x, style) + seen, style)
        return x, doubled(picture) + self.rgb(x, style)


class Rgb(nn.Module):
    """Colours of a map: a 1x1 convolution that is not demodulated."""

    def __init__(self, channels: int, styles: int) -> None:
        super().__init__()
        self.conv = Modulated(channels, 3, styles, 1, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(B, 3, H, W) of (B, C, H, W)."""
        y: Tensor = self.conv(x, style) + self.bias[:, None, None]
        return y


class Discriminator(nn.Module):
    """StyleGAN2's residual discriminator of an edit beside its photograph, with minibatch standard deviation."""

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        widths = widths_of(size, channels)
        self.seen = Conv(6, widths[-1], 1)
        pairs = zip(widths[:0:-1], widths[-2::-1], strict=True)
        self.blocks = nn.ModuleList(Shrinking(*pair, skip=True) for pair in pairs)
        self.last = Conv(widths[0] + 1, widths[0])
        self.whole, self.verdict = Dense(widths[0] * START**2, widths[0]), Dense(widths[0], 1)

    def forward(self, photographs: Tensor, edits: Tensor) -> Tensor:
        """Logits (B,) that edits (B, 3, S, S) of photographs are a teacher's."""
        x = active(self.seen(torch.cat([photographs, edits], 1)))
        for block in self.blocks:
            x = block(x)
        x = active(self.last(spread_within(x)))
        verdicts: Tensor = self.verdict(active(self.whole(x.flatten(1))))[:, 0]
        return verdicts
