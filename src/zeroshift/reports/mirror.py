"""The mirror report: how closely the way back from noise follows the way there, and what that does to the picture.

MirrorDiffusion's claim (Lin et al. 2024, arXiv:2401.03221, section I) is that displacements which accumulate between
inversion and reconstruction vanish when the prompt is rewritten. Here both ways are walked and compared, with and
without that, beside plain DDIM inversion and pix2pix-zero's, and against what the autoencoder alone loses.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean, pstdev

import torch
import torch.nn.functional as F
from torch import Tensor

from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.embedding import Embedding
from zeroshift.diffusion.sites import Compute, Part, Site, select, tapped
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.evaluation.pixels import ssim
from zeroshift.image.tensors import psnr, to_bytes
from zeroshift.inversion import CleanLatents, Inversion, InversionContext, Redescription, RegularisedInversion


@dataclass(frozen=True, eq=False)
class Way:
    """To noise and back."""

    up: Sequence[Tensor]
    """the inversion's latents, noisiest first; on the official grid it ends one level early"""
    back: Sequence[Tensor]
    """the reconstruction's latents at the same levels, T + 1"""
    trajectory: Trajectory


@dataclass(frozen=True)
class Arm:
    """One inversion of the comparison."""

    name: str
    inversion: Inversion
    random: bool = False
    """whether a seed changes anything"""


@dataclass(frozen=True)
class Spread:
    """A figure over seeds."""

    mean: float | None
    """None where two pictures are equal and the figure is infinite"""
    deviation: float
    """standard deviation over the seeds; 0 where nothing is random"""


@dataclass(frozen=True)
class Figures:
    """What an inversion's reconstruction is worth."""

    name: str
    seeds: tuple[int, ...]
    """empty where nothing is random"""
    psnr_db: Spread
    """reconstruction against the photograph"""
    ssim: Spread
    psnr_to_vae_db: Spread
    """reconstruction against what the autoencoder makes of the photograph, the best that is possible"""
    ssim_to_vae: Spread
    displacement: tuple[float, ...]
    """root mean squared difference of both ways' latents at every level, noisiest first; mean over seeds"""


@dataclass(frozen=True)
class Mirror:
    """The whole comparison."""

    vae_psnr_db: float
    """the autoencoder's round trip against the photograph"""
    vae_ssim: float
    arms: tuple[Figures, ...]

    def as_dict(self) -> dict[str, object]:
        """Everything as plain values."""
        return asdict(self)


def arms_of(inversion: Redescription) -> tuple[Arm, ...]:
    """The inversions to compare: three without redescription, then ``inversion`` itself."""
    plain = replace(inversion, inner_steps=0, optimiser="adam")
    kl = inversion.lambda_kl
    return (
        Arm("ddim", replace(plain, lambda_kl=0.0)),
        Arm("regularised", RegularisedInversion(grid=inversion.grid, lambda_ac=kl, lambda_kl=kl), random=True),
        Arm("without redescription", plain),
        Arm("with redescription", inversion),
    )


@torch.no_grad()
def compare(
    backbone: Backbone, photograph: CleanLatents, inversion: Redescription, plan: InversionContext, seeds: Sequence[int]
) -> tuple[Mirror, Way]:
    """Walk every arm of one picture, the random ones once per seed; return the figures and the last arm's way."""
    photo = to_bytes((photograph.pictures + 1) * 127.5)
    vae = pixels(backbone, photograph.x0)
    rows = []
    for arm in arms_of(inversion):
        used = tuple(seeds) if arm.random else ()
        ways = [walked(backbone, photograph, arm.inversion, replace(plan, seeds=(s,))) for s in used or plan.seeds]
        rows.append(figures(arm.name, used, ways, [pixels(backbone, way.back[-1]) for way in ways], photo, vae))
    return Mirror(float(psnr(vae, photo)), ssim(vae, photo), tuple(rows)), ways[0]


def walked(backbone: Backbone, photograph: CleanLatents, inversion: Inversion, plan: InversionContext) -> Way:
    """Invert and reconstruct without guidance; an inversion that has done so itself is only listened to."""
    seen, work = [photograph.x0], inversion.invert(backbone, photograph, plan)
    while True:
        try:
            seen.append(next(work))
        except StopIteration as end:
            trajectory: Trajectory = end.value
            break
    if trajectory.replayed:
        return Way(seen[-1 - plan.steps :: -1], trajectory.latents, trajectory)
    schedule, back = trajectory.schedule, [trajectory.start]
    for i, timestep in enumerate(schedule.timesteps):
        out = backbone.predict(back[-1], timestep, photograph.prompt)
        back.append(schedule.advance(back[-1], out, i))
    return Way(seen[::-1], back, trajectory)


def figures(
    name: str, seeds: tuple[int, ...], ways: Sequence[Way], made: Sequence[Tensor], photo: Tensor, vae: Tensor
) -> Figures:
    """The figures of one arm from its ways and the pictures (1, 3, H, W) that they made, one per seed."""
    levels = zip(*(displacements(way) for way in ways), strict=True)
    return Figures(
        name,
        seeds,
        spread([float(psnr(picture, photo)) for picture in made]),
        spread([ssim(picture, photo) for picture in made]),
        spread([float(psnr(picture, vae)) for picture in made]),
        spread([ssim(picture, vae) for picture in made]),
        tuple(fmean(level) for level in levels),
    )


def displacements(way: Way) -> list[float]:
    """The root mean squared difference of both ways at every level that the inversion visited."""
    return [float((a - b).square().mean().sqrt()) for a, b in zip(way.up, way.back, strict=False)]


def spread(values: Sequence[float]) -> Spread:
    """Mean and standard deviation."""
    return Spread(fmean(values), pstdev(values)) if all(map(math.isfinite, values)) else Spread(None, 0.0)


def pixels(backbone: Backbone, latents: Tensor) -> Tensor:
    """Decoded latents (B, C, h, w) as pictures of bytes (B, 3, H, W)."""
    return to_bytes((backbone.decode(latents).float() + 1) * 127.5).cpu()


@torch.no_grad()
def word_maps(
    backbone: Backbone, x: Tensor, timestep: float, text: Embedding, spans: Sequence[Sequence[int]]
) -> Tensor:
    """Where each word is attended to, (words, h, w), from one latent x (1, C, h, w) and its prompt.

    A map is the mean over cross-attention layers, heads and the word's tokens, all brought to the latent's grid.
    """
    found: list[Tensor] = []

    def keep(site: Site, part: Part, compute: Compute) -> Tensor:
        probs = compute()
        grid = [side // site.scale for side in x.shape[-2:]]
        by_token = probs.mean(1).transpose(1, 2).unflatten(2, grid)  # (1, L, rows, columns)
        found.append(F.interpolate(by_token, x.shape[-2:], mode="bilinear")[0])
        return probs

    wanted = select("cross", "probs")
    with tapped(backbone, wanted) as taps, taps.listening(keep, wanted, stop=True):
        backbone.predict(x, timestep, text)
    mean = torch.stack(found).mean(0)
    return torch.stack([mean[list(span)].mean(0) for span in spans])
