"""What the student ``residual`` learns in one step."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from zeroshift.distillation.adversary import Adversary, adversarys_loss, penalty, students_loss
from zeroshift.distillation.augmenting import augmented
from zeroshift.distillation.examples import Examples
from zeroshift.distillation.options import DistillOptions
from zeroshift.distillation.parts import laid
from zeroshift.distillation.reals import Reals
from zeroshift.distillation.residual import Residual
from zeroshift.miniature.training.decoder import PACKAGES, ImageNetFeatures, unlike
from zeroshift.miniature.training.loop import CLIP, Pace, Stage, StageOptions, adamw

CHANNELS = (24, 40, 112)
"""of the feature maps that the adversary sees: all but the finest"""


class ResidualStage(Stage):
    """L1 to the teacher's edit, distance of features, sparse masks, and from a share of the budget on an adversary.

    The adversary's real pictures are photographs of the target, so the student may come to look better than its
    teacher. Without the packages of ``textures`` there are neither features nor adversary.
    """

    def __init__(self, student: Residual, examples: Examples, reals: Reals, options: DistillOptions) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.student, self.examples, self.reals, self.options = student, examples, reals, options
        able = all(find_spec(name) for name in PACKAGES)
        self.seen = [laid(ImageNetFeatures(), torch.channels_last)] if able else []  # neither averaged nor kept
        self.adversary = Adversary(CHANNELS, len(student.directions)) if able and options.adversary else None

    @property
    def progress(self) -> float:
        """The share of the budget that is used."""
        pace = next(one for one in self.trainer.callbacks if isinstance(one, Pace))
        return pace.progress(self.trainer.global_step)

    def training_step(self, indices: Tensor, _: int) -> None:
        with self.exactly():
            batch = augmented(self.examples.read(indices.tolist()).to(self.device))
        x = batch.photographs.contiguous(memory_format=torch.channels_last)
        g, m = self.student.parts(x, batch.directions, batch.intensities)
        made = (x + m * (g - x)).float()
        pixels = (made - batch.edits).abs().mean()
        told = {"pixels": pixels, "mask": m.float().mean()}
        loss = self.options.pixels * pixels + self.options.sparsity * told["mask"]
        for network in self.seen:
            network = network.to(self.device)
            maps = network(made.clamp(-1.2, 1.2).contiguous(memory_format=torch.channels_last))
            told["features"] = unlike(maps, network(batch.edits.contiguous(memory_format=torch.channels_last)))
            loss = loss + self.options.features * told["features"]
            whole = batch.intensities == 1
            if self.adversary is not None and self.progress >= self.options.adversary_from and whole.any():
                loss = loss + self.played(network, [one[whole] for one in maps], batch.directions[whole], told)
        self.log_dict(told, prog_bar=True)
        self.updated(0, self.student, loss, counted=True)

    def played(self, network: nn.Module, maps: Sequence[Tensor], target: Tensor, told: dict[str, Tensor]) -> Tensor:
        """Train the adversary on edits by their feature ``maps`` and real photographs; what the student has to pay."""
        adversary = self.adversary
        assert adversary is not None
        with torch.no_grad():
            photographs = network(self.reals.drawn(target.tolist()).to(self.device))
        with self.exactly():
            real, made = (adversary.projected([one.float() for one in side[1:]]) for side in (photographs, maps))
            seen, fake = ([one.detach().requires_grad_(True) for one in side] for side in (real, made))
            said_real, said_fake = adversary(seen, target), adversary(fake, target)
            told["adversary"] = adversarys_loss(said_real, said_fake)
            told["ahead"] = (said_real - said_fake).mean().detach()
            smooth = penalty(said_real, seen) + penalty(said_fake, fake)
            self.updated(1, adversary, told["adversary"] + self.options.penalty / 2 * smooth, counted=False)
            adversary.heads.requires_grad_(False)
            paid = self.options.adversary * students_loss(adversary(real, target), adversary(made, target))
            adversary.heads.requires_grad_(True)
        return paid

    def exactly(self) -> torch.autocast:
        """What runs inside is in float32, whatever the training's precision."""
        return torch.autocast(self.device.type, enabled=False)

    def updated(self, number: int, network: nn.Module, loss: Tensor, *, counted: bool) -> None:
        """One step of one of the two optimisers; the student's alone are counted as the training's."""
        wrapped: Any = self.optimizers()
        chosen = wrapped[number] if isinstance(wrapped, list) else wrapped
        chosen.zero_grad()
        self.manual_backward(loss)
        nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        (chosen if counted else chosen.optimizer).step()

    def configure_optimizers(self) -> Any:
        every = [adamw(self.student, stage_options(self.options))]
        if self.adversary is not None:
            heads = self.adversary.heads.parameters()
            every.append(torch.optim.AdamW(heads, lr=self.options.lr, betas=(0.0, 0.99), weight_decay=0.0))
        return every


def stage_options(options: DistillOptions) -> StageOptions:
    """How long and how fast the training runs."""
    return StageOptions(
        steps=options.steps,
        minutes=options.minutes,
        batch=options.batch,
        lr=options.lr,
        ema=options.ema,
        cooldown=options.cooldown,
    )
