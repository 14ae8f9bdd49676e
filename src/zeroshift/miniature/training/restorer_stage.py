"""What the restorer learns in one step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

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
SMOOTH, LAZY = 0.05, 4
"""weight of the adversaries' gradient penalties, and in one of how many steps they are taken"""
RISE = 0.05
"""share of the budget over which the adversaries' verdicts come to count"""
DOUBT, LEAST = 1.2, 0.3
"""how much less a photograph counts with the share of the noise that it was drawn again from, and how much at least"""
CHANNELS = (16, 24, 40, 112)
"""of the feature maps that the adversaries see"""


@final
@dataclass(frozen=True, eq=False)
class Drawn:
    """What one step is about: B examples, and which detail of their pictures."""

    rows: Tensor
    """numbers (B,) of the examples"""
    begun: Tensor
    """numbers (B,) of the photographs that they were drawn from"""
    target: Tensor
    """numbers (B,) of the animals that they are to show"""
    noise: Tensor
    """shares of the noise (B,)"""
    same: Tensor
    """1 where the photographs show what they are to show, (B,)"""
    left: int
    top: int
    """where the detail is in the pictures, in pixels"""
    mirrored: Tensor
    """bool (B,)"""

    @property
    def known(self) -> Tensor:
        """How well the photographs say what is to be drawn, (B,)."""
        return self.same * (1 - DOUBT * self.noise).clamp(min=LEAST)


class RestorerStage(AdversarialStage):
    """Pixels and features of the photograph, as far as it can be known, and a verdict that what is drawn is one.

    Where the model drew the photograph's own animal, that is to come back; where it drew another, there is none, and
    the adversary alone says what is missing. Colours of areas stay.
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
        self.penalised = LAZY

    def training_step(self, indices: Tensor, _: int) -> None:
        self.penalised = 0 if self.global_step % LAZY else LAZY
        of = self.drawn(indices.cpu())
        x, y = (self.details(one, of) for one in (self.photographs[of.begun], self.examples.drawn[of.rows]))
        made = self.network(y).float()
        known, same, told = of.known.to(self.device), of.same.to(self.device), dict[str, Tensor]()
        told["pixels"] = _mean((made - x).abs().mean((1, 2, 3)) * known, same)
        changed = made - y if (free := self.free(of)) is None else (made - y) * ~free.to(self.device)
        told["colours"] = F.avg_pool2d(changed, AREA).abs().mean()
        told["kept"] = _mean(changed.abs().mean((1, 2, 3)) * (1 - same), 1 - same)
        maps = self.maps(made)
        with torch.no_grad():
            wanted, real = self.maps(x), self.maps(self.others(of.target))
        told["features"] = _mean(unlike_each(maps, wanted) * known, same)
        target = of.target.to(self.device)
        paid = self.against(self.adversary, real, maps, target, told, penalised=self.penalised)
        loss = told["pixels"] + told["colours"] + KEPT * told["kept"] + FEATURES * told["features"]
        more, more_paid = self.beside(made, x, of, told)
        self.log_dict({name: value.detach() for name, value in told.items()}, prog_bar=True)
        rise = min(1.0, self.progress / RISE)
        self.updated(0, self.network, loss + more + rise * (paid + more_paid), counted=True)

    def beside(self, made: Tensor, x: Tensor, of: Drawn, told: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """What else counts of what was made of the photographs ``x``: losses, and what adversaries have one pay."""
        return made.new_zeros(()), made.new_zeros(())

    def free(self, of: Drawn) -> Tensor | None:
        """Which pixels of the details may have other colours than were drawn, bool (B, 1, H, W); None for none."""
        return None

    def drawn(self, rows: Tensor) -> Drawn:
        """The examples of these numbers (B,), and a detail at random."""
        begun, target, noise = (getattr(self.examples, name)[rows] for name in ("begun", "target", "noise"))
        room = max(self.photographs.shape[-1] - self.side, 0)
        top, left = torch.randint(room + 1, (2,)).tolist()
        same = (self.animals[begun] == target).float()
        return Drawn(rows, begun, target, noise, same, left, top, torch.rand(len(rows)) < 0.5)

    def details(self, pictures: Tensor, of: Drawn) -> Tensor:
        """That detail of uint8 pictures (B, 3, S, S), in [-1, 1]."""
        part = pictures[..., of.top : of.top + self.side, of.left : of.left + self.side].to(self.device)
        with self.exactly():
            x = part.float() / 127.5 - 1
            return torch.where(of.mirrored.to(self.device)[:, None, None, None], x.flip(-1), x)

    def maps(self, x: Tensor) -> list[Tensor]:
        """What the ImageNet network sees in pictures."""
        network = self.seen[0].to(self.device)
        found: list[Tensor] = network(x.clamp(-1.2, 1.2).contiguous(memory_format=torch.channels_last))
        return found

    def others(self, target: Tensor) -> Tensor:
        """Details of photographs of the animals (B,), drawn anew, in [-1, 1]."""
        drawn = one_of_each(self.every, target)
        return augment(detail(self.photographs[drawn], self.side).to(self.device))

    def adversaries(self) -> list[Adversary]:
        """All of them, in the order of their optimisers."""
        return [self.adversary]

    def configure_optimizers(self) -> Any:
        return [adamw(self.network, self.options, decay=0.0), *map(self.optimizer_of, self.adversaries())]


def one_of_each(rows: Sequence[Tensor], target: Tensor) -> Tensor:
    """A random one of the rows of each animal of ``target`` (B,)."""
    return torch.stack([rows[int(k)][torch.randint(len(rows[int(k)]), ())] for k in target])


def _mean(values: Tensor, counted: Tensor) -> Tensor:
    """The mean of those that count, 0 of none."""
    return values.sum() / counted.sum().clamp(min=1)
