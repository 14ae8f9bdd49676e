"""Inversions of a batch, each picture's on its own.

Where a network is learned per picture, the last bits of a batched pass grow over the iterations until edits differ
visibly. Learned alone, a picture in a batch has the very inversion that it has alone.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from zeroshift.diffusion.trajectory import Learned, Trajectory
from zeroshift.inversion.base import CleanLatents, InversionContext

Run = Generator[Tensor, None, Trajectory]


def side_by_side(
    invert: Callable[[CleanLatents, InversionContext], Run], clean: CleanLatents, context: InversionContext
) -> Run:
    """Invert every picture by ``invert``, all in step, and join what comes of it along the batch."""
    runs = [
        invert(row_of(clean, k), replace(context, seeds=context.seeds[k : k + 1])) for k in range(len(context.seeds))
    ]
    while True:
        latents, ended = list[Tensor](), list[Trajectory]()
        for run in runs:
            try:
                latents.append(next(run))
            except StopIteration as end:
                ended.append(end.value)
        if ended:
            return joined(ended)
        yield torch.cat(latents)


def row_of(clean: CleanLatents, k: int) -> CleanLatents:
    """Picture ``k`` of a batch, as a batch of one."""
    rows = slice(k, k + 1)
    return CleanLatents(clean.pictures[rows], clean.x0[rows], clean.prompt.row(k))


def joined(alone: Sequence[Trajectory]) -> Trajectory:
    """One trajectory of all pictures; maps, which are of one run, are left out."""

    def together(part: Callable[[Trajectory], Sequence[Tensor]]) -> list[Tensor]:
        return [torch.cat(rows) for rows in zip(*(part(each) for each in alone), strict=True)]

    learned = Learned(
        prompts=together(lambda t: t.learned.prompts),
        negatives=together(lambda t: t.learned.negatives),
        prompt_as_negative=alone[0].learned.prompt_as_negative,
        scales=together(lambda t: t.learned.scales),
        shifts=together(lambda t: t.learned.shifts),
    )
    latents, noise = together(lambda t: t.latents), together(lambda t: t.noise)
    residuals = together(lambda t: t.residuals)
    return replace(alone[0], latents=latents, noise=noise, residuals=residuals, learned=learned, maps=())
