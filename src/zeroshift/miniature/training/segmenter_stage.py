"""What the segmenter learns in one step."""

import torch
import torch.nn.functional as F
from torch import Tensor

from zeroshift.miniature.segmenter_network import SegmenterNetwork
from zeroshift.miniature.training.augmentation import cropped, recoloured, roughened
from zeroshift.miniature.training.loop import Stage, StageOptions, adamw

AREA = (0.3, 1.0)
"""share of a picture that a crop shows"""
DEGREES = 20.0
OVERLAP = 0.5
"""weight of the overlap beside the entropy"""


class SegmenterStage(Stage):
    """Cross entropy of every place, and half of what is missing of the overlap (Dice; Milletari et al. 2016).

    The trunk stays as ImageNet taught it: a few hundred masks would spoil it.
    """

    def __init__(self, network: SegmenterNetwork, pictures: Tensor, masks: Tensor, *, options: StageOptions) -> None:
        """``pictures`` are uint8 (N, 3, S, S), ``masks`` bool (N, 1, S, S)."""
        super().__init__()
        self.network, self.options, self.pictures, self.masks = network, options, pictures, masks
        network.trunk.requires_grad_(False)

    def training_step(self, indices: Tensor, _: int) -> Tensor:
        chosen = indices.cpu()
        whole = torch.cat([self.pictures[chosen].float() / 127.5 - 1, self.masks[chosen].float()], 1).to(self.device)
        x, inside = cropped(whole, whole.shape[-1], AREA, degrees=DEGREES).split([3, 1], 1)
        logits = self.network(roughened(recoloured(x, torch.rand(len(x), device=x.device)))).float()
        wanted = F.interpolate(inside, logits.shape[-2:], mode="area")
        shares = logits.sigmoid()
        common = 2 * (shares * wanted).sum((1, 2, 3)) + 1
        missing = 1 - (common / ((shares + wanted).sum((1, 2, 3)) + 1)).mean()
        entropy = F.binary_cross_entropy_with_logits(logits, wanted)
        self.log("entropy", entropy, prog_bar=True)
        self.log("missing", missing, prog_bar=True)
        loss: Tensor = entropy + OVERLAP * missing
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return adamw(self, self.options, decay=0.01)
