"""What the head finder learns in one step."""

import torch
import torch.nn.functional as F
from torch import Tensor

from zeroshift.miniature.finder_network import FinderNetwork
from zeroshift.miniature.training.finder_scenes import Portraits, scenes
from zeroshift.miniature.training.loop import Stage, StageOptions, adamw

PLACES = 4.0
"""weight of where frames lie beside whether there are any"""
SURE = 0.05
"""quality from which on a place learns where the frame lies"""


class FinderStage(Stage):
    """Quality focal loss (Li et al. 2020, Eq. 2, beta 2) of every place, and the Huber loss of shift and size.

    Unless ``whole``, the classifier's levels stay as they are: what heads look like they have learned. Their norms stay
    in any case.
    """

    def __init__(
        self, network: FinderNetwork, portraits: Portraits, *, options: StageOptions, whole: bool = True
    ) -> None:
        super().__init__()
        self.network, self.options = network, options
        self.levels, self.frames = portraits.reduced(), portraits.frames
        network.requires_grad_(whole).out.requires_grad_(True)

    def training_step(self, indices: Tensor, _: int) -> Tensor:
        self.network.eval()
        pictures, wanted = (part.to(self.device) for part in scenes(self.levels, self.frames, indices.cpu()))
        seen = self.network(pictures.contiguous(memory_format=torch.channels_last)).float()
        quality, places = wanted[:, 0], wanted[:, 1:]
        entropy = F.binary_cross_entropy_with_logits(seen[:, 0], quality, reduction="none")
        found = (entropy * (seen[:, 0].sigmoid() - quality).square()).sum() / quality.sum().clamp(min=1)
        apart = F.smooth_l1_loss(seen[:, 1:], places, reduction="none", beta=0.1).sum(1)
        weight = torch.where(quality > SURE, quality, 0)
        placed = (apart * weight).sum() / weight.sum().clamp(min=1)
        self.log("found", found, prog_bar=True)
        self.log("placed", placed, prog_bar=True)
        loss: Tensor = found + PLACES * placed
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return adamw(self, self.options, decay=0.01)
