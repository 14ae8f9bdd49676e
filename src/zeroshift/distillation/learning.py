"""What the student ``residual`` learns in one step."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zeroshift.distillation.augmenting import augmented
from zeroshift.distillation.examples import Examples
from zeroshift.distillation.options import DistillOptions
from zeroshift.distillation.reals import Reals
from zeroshift.distillation.residual import Residual, mask
from zeroshift.distillation.stage import DistillStage, stage_options
from zeroshift.evaluation.imagenet import open_network
from zeroshift.miniature.training.adversary import Adversary
from zeroshift.miniature.training.decoder import features_at_hand, unlike
from zeroshift.miniature.training.loop import adamw

TRUNK = 0.1
"""of the learning rate: what was trained on ImageNet moves less than what is new"""
CHANNELS = (24, 40, 112)
"""of the feature maps that the adversary sees: all but the finest"""


class ResidualStage(DistillStage):
    """L1 to the teacher's edit, distance of features, sparse masks, and from a share of the budget on an adversary.

    The adversary's real pictures are photographs of the target, so the student may come to look better than its
    teacher. Without the packages of ``textures`` there are neither features nor adversary.
    """

    def __init__(self, student: Residual, examples: Examples, reals: Reals, options: DistillOptions) -> None:
        super().__init__(student, examples, options)
        self.seen = features_at_hand()  # neither averaged nor kept
        self.parts = student.parts
        if self.seen:
            student.trunk.learned(open_network(0))
        self.reals = reals
        able = self.seen and options.adversary
        self.adversary = Adversary(CHANNELS, len(student.directions)) if able else None

    def training_step(self, indices: Tensor, _: int) -> None:
        with self.exactly():
            batch = augmented(self.examples.read(indices.tolist()).to(self.device))
            batch = batch.halved() if self.progress < self.options.half else batch
        x = batch.photographs.contiguous(memory_format=torch.channels_last)
        g, where = self.parts(x, batch.directions, batch.intensities)
        g, m = g.float(), mask(where.float(), batch.intensities)
        pixels = (x + m * (g - x) - batch.edits).abs().mean()
        told = {"pixels": pixels, "area": m.mean()}
        told["mask"] = F.binary_cross_entropy_with_logits(where.float(), batch.masks)
        loss = self.options.pixels * pixels + self.options.sparsity * told["area"] + self.options.mask * told["mask"]
        made = x + m.detach() * (g - x)  # a mask of nothing would please an adversary: the photograph is real
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
        return self.against(adversary, photographs[1:], maps[1:], target, told)

    def configure_optimizers(self) -> Any:
        assert isinstance(self.student, Residual)
        trunk = self.student.trunk
        drawing = [child for child in self.student.children() if child is not trunk]
        optimizer = adamw(nn.ModuleList(drawing), stage_options(self.options))
        optimizer.add_param_group({"params": [*trunk.parameters()], "share": TRUNK})
        every: list[torch.optim.Optimizer] = [optimizer]
        if self.adversary is not None:
            every.append(self.optimizer_of(self.adversary))
        return every
