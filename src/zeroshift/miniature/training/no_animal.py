"""Pictures without an animal, made of pictures of animals and of nothing, to learn what is none from.

Photographs without an animal would do better, and few folders have any. What is made here has an animal's colours
without its shape (shuffled, details, scrambled phases), a portrait's surroundings, and textures.
"""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor


def made_of(pictures: Tensor, generator: Generator) -> Tensor:
    """Two to three pictures without an animal for each of floats (N, 3, S, S) in [0, 255]."""
    side = pictures.shape[-1]
    parts = [shuffled(part, cells, generator) for part, cells in zip(pictures.chunk(3), (3, 4, 6), strict=False)]
    parts += [surroundings(part, side // share) for part, share in zip(pictures.chunk(2), (5, 3), strict=False)]
    parts += [detail(part, generator) for part in pictures.split(50)]
    half = pictures[::2]
    parts += [scrambled(half[::2], generator), horizons(half[1::2], generator), textures(len(half), side, generator)]
    return torch.cat(parts)


def shuffled(pictures: Tensor, cells: int, generator: Generator) -> Tensor:
    """Pictures whose ``cells`` x ``cells`` parts have changed places."""
    side = pictures.shape[-1] // cells
    even = pictures[..., : side * cells, : side * cells]
    grid = even.unfold(2, side, side).unfold(3, side, side).flatten(2, 3)  # (N, 3, cells * cells, side, side)
    grid = grid[:, :, torch.randperm(cells * cells, generator=generator)]
    placed = grid.unflatten(2, (cells, cells)).permute(0, 1, 2, 4, 3, 5).reshape(even.shape)
    return enlarged(placed, pictures.shape[-1])


def surroundings(pictures: Tensor, side: int) -> Tensor:
    """Upper corners of portraits, left and right in turn, enlarged."""
    corners = [pictures[0::2, :, :side, :side], pictures[1::2, :, :side, -side:]]
    return enlarged(torch.cat(corners), pictures.shape[-1])


def detail(pictures: Tensor, generator: Generator) -> Tensor:
    """A part of a fifth to a fourth of the side, at one random place, enlarged."""
    whole = pictures.shape[-1]
    side = whole // 5 + int(torch.randint(whole // 12 + 1, (), generator=generator))
    top, left = (int(torch.randint(whole // 5, whole * 4 // 5 - side + 1, (), generator=generator)) for _ in range(2))
    return enlarged(pictures[..., top : top + side, left : left + side], whole)


def scrambled(pictures: Tensor, generator: Generator) -> Tensor:
    """Pictures of the same spectra with the phases of noise."""
    noise = torch.fft.rfft2(torch.randn(len(pictures), 1, *pictures.shape[2:], generator=generator))
    spectra = torch.fft.rfft2(pictures).abs()
    mixed = torch.polar(spectra, noise.angle().expand_as(spectra))
    found: Tensor = torch.fft.irfft2(mixed, pictures.shape[2:])
    return found.clamp(0, 255)


def horizons(pictures: Tensor, generator: Generator) -> Tensor:
    """One picture's surroundings above another's, as land lies under the sky."""
    side, corner = pictures.shape[-1], pictures.shape[-1] // 4
    corners = pictures[..., :corner, :corner]
    height = side // 4 + int(torch.randint(side // 2, (), generator=generator))
    above, below = F.interpolate(corners, (height, side)), F.interpolate(corners.roll(1, 0), (side - height, side))
    return torch.cat([above, below], 2)


def textures(count: int, side: int, generator: Generator) -> Tensor:
    """Blotches, bands, noise of many spectra, and colours that fade into others, in turn."""
    makers = (blotches, bands, cloudy, fading)
    made = [makers[k % len(makers)](side, generator) for k in range(count)]
    return torch.stack(made).clamp(0, 255)


def blotches(side: int, generator: Generator) -> Tensor:
    """Colours on a random grid, interpolated."""
    cells = int(torch.randint(2, side // 2, (), generator=generator))
    return enlarged(torch.rand(1, 3, cells, cells, generator=generator) * 255, side)[0]


def bands(side: int, generator: Generator) -> Tensor:
    """Waves between two colours at a random angle."""
    across, down = (torch.rand(2, generator=generator) * 0.8).tolist()
    steps = torch.arange(side)
    return between((torch.sin(steps[:, None] * across + steps * down) + 1) / 2, generator)


def cloudy(side: int, generator: Generator) -> Tensor:
    """Noise whose amplitudes fall with a random power of the frequency."""
    power = 0.5 + 1.5 * float(torch.rand((), generator=generator))
    rows, columns = torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side)
    falling = torch.hypot(rows, columns).clamp(min=1 / side) ** power
    noise = torch.randn(3, side, side, generator=generator)
    found: Tensor = torch.fft.irfft2(torch.fft.rfft2(noise) / falling, (side, side))
    low, high = found.amin(), found.amax()
    return (found - low) / (high - low) * 255


def fading(side: int, generator: Generator) -> Tensor:
    """One colour that fades into another downwards, grainy."""
    grain = 8 * float(torch.rand((), generator=generator))
    faded = between(torch.linspace(0, 1, side)[:, None].expand(side, side), generator)
    return faded + grain * torch.randn(3, side, side, generator=generator)


def between(share: Tensor, generator: Generator) -> Tensor:
    """Two random colours mixed in these shares (S, S), as (3, S, S) in [0, 255]."""
    one, other = (torch.rand(2, 3, 1, 1, generator=generator) * 255).unbind()
    return share * one + (1 - share) * other


def enlarged(pictures: Tensor, side: int) -> Tensor:
    """Pictures at (side, side), bicubic."""
    return F.interpolate(pictures, (side, side), mode="bicubic").clamp(0, 255)
