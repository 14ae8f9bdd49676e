"""What trainings against an adversary share: two optimisers, of which the first alone counts steps."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from zeroshift.miniature.training.adversary import Adversary, adversarys_loss, penalty, students_loss
from zeroshift.miniature.training.loop import CLIP, Stage


class AdversarialStage(Stage):
    """A training with an adversary beside what learns to draw."""

    def __init__(self, *, lr: float, weight: float, smooth: float) -> None:
        """Learning rate, and weights of the adversary's verdict and of its gradient penalties."""
        super().__init__()
        self.automatic_optimization = False
        self.lr, self.weight, self.smooth = lr, weight, smooth

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
        *,
        number: int = 1,
        weight: float | None = None,
        penalised: int = 1,
    ) -> Tensor:
        """Train the adversary on maps of photographs and of what was made, and say how; what the maker has to pay.

        Args:
            adversary: whom.
            real: maps of photographs.
            made: maps of what was made.
            target: what both are to show.
            told: what happened is noted here.
            number: that of the adversary's optimiser.
            weight: of the verdict, in place of ``self.weight``.
            penalised: times that the gradient penalties count, as where they are taken in one step of so many (lazy
                regularisation, Karras et al. 2020, section 3.1); 0 leaves them out, and with them float32.
        """
        with self.exactly() if penalised else nullcontext():
            shown, drawn = (adversary.projected([one.float() for one in side]) for side in (real, made))
            seen, fake = ([one.detach().requires_grad_(True) for one in side] for side in (shown, drawn))
            said_real, said_fake = (adversary(side, target).float() for side in (seen, fake))
            told["adversary"] = adversarys_loss(said_real, said_fake)
            told["ahead"] = (said_real - said_fake).mean().detach()
            loss = told["adversary"]
            if penalised:
                told["penalty"] = slopes = penalty(said_real, seen) + penalty(said_fake, fake)
                loss = loss + penalised * self.smooth / 2 * slopes
            self.updated(number, adversary, loss, counted=False)
            adversary.heads.requires_grad_(False)
            verdict = students_loss(*(adversary(side, target).float() for side in (shown, drawn)))
            adversary.heads.requires_grad_(True)
        return (self.weight if weight is None else weight) * verdict

    def optimizer_of(self, adversary: Adversary) -> torch.optim.Optimizer:
        """That of the adversary's heads, which learn more slowly than what they judge."""
        heads = adversary.heads.parameters()
        return torch.optim.AdamW(heads, lr=self.lr / 4, betas=(0.0, 0.99), weight_decay=0.0)
