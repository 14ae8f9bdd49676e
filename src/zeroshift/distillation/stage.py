"""What the trainings of all students share: two optimisers, of which the student's alone counts steps."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from zeroshift.distillation.adversary import Adversary, adversarys_loss, penalty, students_loss
from zeroshift.distillation.examples import Examples
from zeroshift.distillation.options import DistillOptions
from zeroshift.distillation.parts import laid
from zeroshift.distillation.students import Network
from zeroshift.miniature.training.decoder import PACKAGES, ImageNetFeatures
from zeroshift.miniature.training.loop import CLIP, Stage, StageOptions


class DistillStage(Stage):
    """A training with an adversary beside the student."""

    def __init__(self, student: Network, examples: Examples, options: DistillOptions) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.student: Network = student
        self.examples, self.options = examples, options

    def exactly(self) -> torch.autocast:
        """What runs inside is in float32, whatever the training's precision."""
        return torch.autocast(self.device.type, enabled=False)

    def updated(self, number: int, network: nn.Module, loss: Tensor, *, counted: bool) -> None:
        """One step of one of the optimisers; those of ``counted`` ones are the training's."""
        wrapped: Any = self.optimizers()
        chosen = wrapped[number] if isinstance(wrapped, list) else wrapped
        chosen.zero_grad()
        self.manual_backward(loss)
        nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        (chosen if counted else chosen.optimizer).step()

    def against(
        self,
        adversary: Adversary,
        real: Sequence[Tensor],
        made: Sequence[Tensor],
        target: Tensor,
        told: dict[str, Tensor],
    ) -> Tensor:
        """Train the adversary on maps of photographs and of edits, and say how; what the student has to pay."""
        with self.exactly():
            shown, drawn = (adversary.projected([one.float() for one in side]) for side in (real, made))
            seen, fake = ([one.detach().requires_grad_(True) for one in side] for side in (shown, drawn))
            said_real, said_fake = adversary(seen, target), adversary(fake, target)
            told["adversary"] = adversarys_loss(said_real, said_fake)
            told["ahead"] = (said_real - said_fake).mean().detach()
            told["penalty"] = smooth = penalty(said_real, seen) + penalty(said_fake, fake)
            self.updated(1, adversary, told["adversary"] + self.options.penalty / 2 * smooth, counted=False)
            adversary.heads.requires_grad_(False)
            paid = self.options.adversary * students_loss(adversary(shown, target), adversary(drawn, target))
            adversary.heads.requires_grad_(True)
        return paid

    def optimizer_of(self, adversary: Adversary) -> torch.optim.Optimizer:
        """That of the adversary's heads, which learn more slowly than the student."""
        heads = adversary.heads.parameters()
        return torch.optim.AdamW(heads, lr=self.options.lr / 4, betas=(0.0, 0.99), weight_decay=0.0)


def features_at_hand() -> list[ImageNetFeatures]:
    """The ImageNet network whose features are compared; empty where its packages are not installed."""
    able = all(find_spec(name) for name in PACKAGES)
    return [laid(ImageNetFeatures(), torch.channels_last)] if able else []


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
