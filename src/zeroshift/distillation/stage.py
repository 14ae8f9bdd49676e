"""What the trainings of all students share."""

from zeroshift.distillation.examples import Examples
from zeroshift.distillation.options import DistillOptions
from zeroshift.distillation.students import Network
from zeroshift.miniature.training.adversarial import AdversarialStage
from zeroshift.miniature.training.loop import StageOptions


class DistillStage(AdversarialStage):
    """A training with an adversary beside the student."""

    def __init__(self, student: Network, examples: Examples, options: DistillOptions) -> None:
        super().__init__(lr=options.lr, weight=options.adversary, smooth=options.penalty)
        self.student: Network = student
        self.examples, self.options = examples, options


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
