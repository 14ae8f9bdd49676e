"""What the restorer learns in one step."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from zeroshift.miniature.restorer_network import MULTIPLE, RestorerNetwork
from zeroshift.miniature.training.adversarial import AdversarialStage
from zeroshift.miniature.training.adversary import Adversary
from zeroshift.miniature.training.autoencoder import augment, detail
from zeroshift.miniature.training.decoder import features_at_hand, unlike_each
from zeroshift.miniature.training.loop import StageOptions, adamw
from zeroshift.miniature.training.restorer_examples import RestorerExamples

SIDE, AREA = 96, 8
"""sides in pixels of the details that it learns from, and of the areas whose mean colours stay"""
FEATURES, KEPT, VERDICT = 0.5, 0.3, 0.15
"""weights of an ImageNet network's features, of an edit's own pixels and of the verdict; pixels and colours have 1"""
SMOOTH = 0.05
"""weight of the adversary's gradient penalties"""
RISE = 0.05
"""share of the budget over which the adversary's verdict comes to count"""
DOUBT, LEAST = 1.2, 0.3
"""how much less a photograph counts with the share of the noise that it was drawn again from, and how much at least"""
CHANNELS = (16, 24, 40, 112)
"""of the feature maps that the adversary sees"""


class RestorerStage(AdversarialStage):
    """Pixels and features of the photograph, as far as it can be known, and a verdict that what is drawn is one.

    Where the model drew the photograph's own animal, that is to come back; where it drew another, there is none, and
    the adversary alone says what is missing. Colours of areas stay everywhere.
    """

    def __init__(
        self,
        network: RestorerNetwork,
        photographs: Tensor,
        animals: Tensor,
        examples: RestorerExamples,
        options: StageOptions,
    ) -> None:
        """``photographs`` are uint8 (N, 3, S, S), ``animals`` their numbers (N,), which ``examples`` speak of."""
        super().__init__(lr=options.lr, weight=VERDICT, smooth=SMOOTH)
        self.network, self.options = network, options
        self.photographs, self.animals, self.examples = photographs, animals, examples
        self.side = min(SIDE, photographs.shape[-1] // MULTIPLE * MULTIPLE)
        self.every = [(animals == k).nonzero()[:, 0] for k in range(int(animals.max()) + 1)]
        self.seen = features_at_hand()  # neither averaged nor kept
        self.adversary = Adversary(CHANNELS, len(self.every))

    def training_step(self, indices: Tensor, _: int) -> None:
        chosen = indices.cpu()
        begun, target, noise = (getattr(self.examples, name)[chosen] for name in ("begun", "target", "noise"))
        same = (self.animals[begun] == target).float().to(self.device)
        known = same * (1 - DOUBT * noise.to(self.device)).clamp(min=LEAST)
        both = torch.cat([self.photographs[begun], self.examples.drawn[chosen]], 1)
        with self.exactly():
            x, y = augment(detail(both, self.side).to(self.device)).split(3, 1)
        made = self.network(y).float()
        told = {"pixels": _mean((made - x).abs().mean((1, 2, 3)) * known, same)}
        told["colours"] = (F.avg_pool2d(made, AREA) - F.avg_pool2d(y, AREA)).abs().mean()
        told["kept"] = _mean((made - y).abs().mean((1, 2, 3)) * (1 - same), 1 - same)
        network = self.seen[0].to(self.device)
        maps = network(made.clamp(-1.2, 1.2).contiguous(memory_format=torch.channels_last))
        with torch.no_grad():
            wanted = network(x.contiguous(memory_format=torch.channels_last))
            real = network(self.others(target).contiguous(memory_format=torch.channels_last))
        told["features"] = _mean(unlike_each(maps, wanted) * known, same)
        paid = self.against(self.adversary, real, maps, target.to(self.device), told)
        loss = told["pixels"] + told["colours"] + KEPT * told["kept"] + FEATURES * told["features"]
        self.log_dict(told, prog_bar=True)
        self.updated(0, self.network, loss + min(1.0, self.progress / RISE) * paid, counted=True)

    def others(self, target: Tensor) -> Tensor:
        """Details of photographs of the animals (B,), drawn anew, in [-1, 1]."""
        drawn = [self.every[int(k)][torch.randint(len(self.every[int(k)]), ())] for k in target]
        return augment(detail(self.photographs[torch.stack(drawn)], self.side).to(self.device))

    def configure_optimizers(self) -> Any:
        return [adamw(self.network, self.options, decay=0.0), self.optimizer_of(self.adversary)]


def _mean(values: Tensor, counted: Tensor) -> Tensor:
    """The mean of those that count, 0 of none."""
    return values.sum() / counted.sum().clamp(min=1)
