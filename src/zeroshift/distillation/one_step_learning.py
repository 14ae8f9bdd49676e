"""What the student ``one-step`` learns in one step."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from zeroshift.diffusion.schedule import join
from zeroshift.distillation.examples import Examples
from zeroshift.distillation.latent_examples import LatentBatch, LatentExamples
from zeroshift.distillation.one_step import OneStep, mask
from zeroshift.distillation.options import DistillOptions
from zeroshift.distillation.reals import Reals
from zeroshift.distillation.stage import DistillStage, stage_options
from zeroshift.miniature.training.adversary import Adversary
from zeroshift.miniature.training.loop import adamw

LEVELS = (0.02, 0.6)
"""timesteps at which latents are compared, as shares of all"""

GUIDED = (0.2, 0.6)
"""and those at which the unchanged UNet is asked which way the target lies"""

WHOLE = 0.99
"""share of a picture from which on an edit counts as one of all of it: crops may end a little beyond an edge"""


class OneStepStage(DistillStage):
    """Distances to the teacher's edit in latents and in the UNet's features, its mask, and an adversary.

    The adversary's heads read features of the frozen UNet at random noise levels (Sauer et al. 2024, LADD,
    arXiv:2403.12015, section 3), and its real pictures are photographs of the target. It and the guidance also see
    edits of photographs that are drawn without the teacher's edit, in the student's own mask. Nothing is decoded.

    Args:
        sources: (directions, L, D), what the UNet is told for each direction's source; those of targets are the
            student's.
    """

    def __init__(
        self, student: OneStep, sources: Tensor, examples: Examples, reals: Reals, options: DistillOptions
    ) -> None:
        super().__init__(student, examples, options)
        self.register_buffer("sources", sources, persistent=False)
        self.latents = LatentExamples(examples, reals, student)
        self.one: tuple[OneStep] = (student,)
        self.adversary = Adversary(student.widths, len(student.directions)) if options.adversary else None

    def training_step(self, indices: Tensor, _: int) -> None:
        (student,) = self.one
        with self.exactly():
            batch = self.latents.read(indices.tolist())
            z, directions = self.with_unpaired(batch)
        count = len(indices)
        edit, where = student.changed(z, directions)
        told = {"latents": ((edit[:count] - batch.edits).abs() * batch.masks).mean()}
        told["mask"] = mask_loss(where[:count], batch.masks)
        loss = self.options.pixels * told["latents"] + self.options.mask * told["mask"]
        timesteps = self.drawn_timesteps(len(z), LEVELS)
        noise = torch.randn_like(z)
        laid = z + torch.cat([batch.masks, mask(where[count:].detach())]) * (edit - z)
        made = self.seen(laid, timesteps, noise, directions)
        with torch.no_grad():
            wanted = self.seen(batch.edits, timesteps[:count], noise[:count], batch.directions)
        apart = [(a[:count] - b).abs().mean() / b.abs().mean() for a, b in zip(made, wanted, strict=True)]
        told["features"] = torch.stack(apart).mean()
        loss = loss + self.options.features * told["features"]
        if self.options.guidance:
            told["guidance"] = (laid * self.away(laid.detach(), directions)).mean()
            loss = loss + self.options.guidance * told["guidance"]
        if self.opposed:
            loss = loss + self.played(directions, timesteps, made, told)
        self.log_dict(told, prog_bar=True)
        self.updated(0, self.student, loss, counted=True)

    @property
    def opposed(self) -> bool:
        """Whether there is an adversary at this moment."""
        return self.adversary is not None and self.progress >= self.options.adversary_from

    def with_unpaired(self, batch: LatentBatch) -> tuple[Tensor, Tensor]:
        """Photographs (B + U, C, h, w) of pairs, then of sources without an edit, and their directions.

        U is 0 while neither the guidance nor an adversary looks at these.
        """
        if not self.options.unpaired or not (self.options.guidance or self.opposed):
            return batch.photographs, batch.directions
        more, ways = self.latents.unpaired(max(1, round(self.options.unpaired * len(batch.photographs))))
        return torch.cat([batch.photographs, more]), torch.cat([batch.directions, ways])

    def drawn_timesteps(self, count: int, between: tuple[float, float]) -> Tensor:
        """Timesteps (B,) between shares of all, by torch's global generator."""
        low, high = (int(share * self.one[0].train_steps) for share in between)
        return torch.randint(low, high, (count,), device=self.device)

    def seen(self, z: Tensor, timesteps: Tensor, noise: Tensor, directions: Tensor) -> list[Tensor]:
        """Features of the frozen UNet's way down for latents under noise, finest first, told the target."""
        return self.one[0].features(self.noised(z, timesteps, noise), timesteps, directions)

    def noised(self, z: Tensor, timesteps: Tensor, noise: Tensor) -> Tensor:
        """Latents under noise, each at a timestep of its own."""
        rows = zip(z, noise, timesteps.tolist(), strict=True)
        return torch.stack([join(one, eps, self.one[0].levels(t)) for one, eps, t in rows])

    @torch.no_grad()
    def away(self, z: Tensor, directions: Tensor) -> Tensor:
        """The way from target to source at latents, by the unchanged UNet.

        The difference of what it takes for the clean latents, told the one and the other, is a classifier's gradient
        (Yu et al. 2023, arXiv:2310.19415, section 4, with the source as the negative prompt).
        """
        (student,) = self.one
        timesteps = self.drawn_timesteps(len(z), GUIDED)
        noised = self.noised(z, timesteps, torch.randn_like(z))
        target, source = (self.clean(noised, timesteps, told[directions]) for told in (student.texts, self.sources))
        return source - target

    def clean(self, noised: Tensor, timesteps: Tensor, text: Tensor) -> Tensor:
        """What the unchanged UNet takes for the clean part of noised latents, told a text (B, L, D)."""
        (student,) = self.one
        out = student.base[0](noised, timesteps, text, return_dict=False)[0]
        rows = zip(noised, out, timesteps.tolist(), strict=True)
        return torch.stack([student.split(one, said, student.levels(t))[0] for one, said, t in rows])

    def played(self, target: Tensor, timesteps: Tensor, made: list[Tensor], told: dict[str, Tensor]) -> Tensor:
        """Train the adversary on edits by their features and on photographs of the ``target``; what is to be paid.

        Args:
            target: (B,), the direction of every edit.
        """
        adversary = self.adversary
        assert adversary is not None
        with torch.no_grad():
            with self.exactly():
                real = self.latents.drawn(target)
            photographs = self.seen(real, timesteps, torch.randn_like(real), target)
        return self.against(adversary, photographs, made, target, told)

    def configure_optimizers(self) -> Any:
        every: list[torch.optim.Optimizer] = [adamw(self.student, stage_options(self.options))]
        if self.adversary is not None:
            every.append(self.optimizer_of(self.adversary))
        return every


def mask_loss(where: Tensor, masks: Tensor) -> Tensor:
    """Cross-entropy of logits (B, 1, h, w) with masks; edits of whole pictures say nothing about where an edit is."""
    told = (masks.mean((1, 2, 3)) < WHOLE).float()
    apart = F.binary_cross_entropy_with_logits(where, masks, reduction="none").mean((1, 2, 3))
    return (told * apart).sum() / told.sum().clamp(min=1)
