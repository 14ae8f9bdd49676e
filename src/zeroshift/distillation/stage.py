"""What the trainings of all students share: two optimisers, of which the student's alone counts steps."""

from importlib.util import find_spec
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from zeroshift.distillation.comod import CoModulated
from zeroshift.distillation.examples import Examples
from zeroshift.distillation.options import DistillOptions
from zeroshift.distillation.parts import laid
from zeroshift.distillation.residual import Residual
from zeroshift.miniature.training.decoder import PACKAGES, ImageNetFeatures
from zeroshift.miniature.training.loop import CLIP, Pace, Stage, StageOptions

Student: TypeAlias = Residual | CoModulated


class DistillStage(Stage):
    """A training with an adversary beside the student."""

    def __init__(self, student: Student, examples: Examples, options: DistillOptions) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.student: Student = student
        self.examples, self.options = examples, options

    @property
    def progress(self) -> float:
        """The share of the budget that is used."""
        pace = next(one for one in self.trainer.callbacks if isinstance(one, Pace))
        return pace.progress(self.trainer.global_step)

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
