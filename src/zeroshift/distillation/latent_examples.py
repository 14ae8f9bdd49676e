"""What the student ``one-step`` learns from: latents of pairs and photographs, each made once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from zeroshift.distillation.augmenting import cropped
from zeroshift.distillation.examples import Examples
from zeroshift.distillation.one_step import OneStep
from zeroshift.distillation.reals import Reals

VERSIONS = 5
"""of every pair: as it is, mirrored, and parts of it; encoding takes longer than a student's step"""


@dataclass(frozen=True, eq=False)
class LatentBatch:
    """Some examples, B of them, as latents (B, C, h, w)."""

    photographs: Tensor
    edits: Tensor
    """whole ones: what lies between is between the latents"""
    masks: Tensor
    """(B, 1, h, w), from 0 to 1, how much of a cell the teacher changed"""
    directions: Tensor
    """(B,), int64"""


@dataclass(eq=False)
class LatentExamples:
    """Latents by pair and by photograph, in half precision."""

    examples: Examples
    reals: Reals
    student: OneStep
    pairs: dict[int, Tensor] = field(default_factory=dict)
    """(VERSIONS, 2 C + 1, h, w): photograph, edit, mask"""
    photographs: dict[Path, Tensor] = field(default_factory=dict)
    """(2, C, h, w): one, and its mirror image"""

    @torch.no_grad()
    def read(self, indices: Sequence[int]) -> LatentBatch:
        """Some, by torch's global generator."""
        numbers = torch.tensor([self.examples.numbers[k] for k in indices])
        own = [self.pair(k) for k in indices]
        device = self.student.texts.device
        rows = torch.stack([one[int(torch.randint(len(one), ()))] for one in own]).to(device).float()
        channels = (rows.shape[1] - 1) // 2
        photographs, edits, masks = rows.split([channels, channels, 1], 1)
        return LatentBatch(photographs, edits, masks, numbers.to(device))

    @torch.no_grad()
    def drawn(self, directions: Tensor) -> Tensor:
        """Photographs (B, C, h, w) of the targets of directions (B,), by torch's global generator."""
        real = [self.photograph(self.reals.targets[n]) for n in directions.tolist()]
        return torch.stack(real).to(directions.device).float()

    @torch.no_grad()
    def unpaired(self, count: int) -> tuple[Tensor, Tensor]:
        """Photographs (``count``, C, h, w) of sources and their directions, as likely as each other."""
        device = self.student.texts.device
        directions = torch.randint(len(self.reals.sources), (count,))
        found = [self.photograph(self.reals.sources[n]) for n in directions.tolist()]
        return torch.stack(found).to(device).float(), directions.to(device)

    def pair(self, k: int) -> Tensor:
        """A pair's versions."""
        if k not in self.pairs:
            plain = self.examples.whole([k])
            stacks = [plain.photographs, plain.edits, plain.masks]
            versions = [stacks, [one.flip(3) for one in stacks], *(cropped(stacks) for _ in range(VERSIONS - 2))]
            self.pairs[k] = torch.cat([self.encoded(*one) for one in versions]).half().cpu()
        return self.pairs[k]

    def encoded(self, photographs: Tensor, edits: Tensor, masks: Tensor) -> Tensor:
        """Photograph, edit and mask (B, 2 C + 1, h, w) of pictures."""
        device, count = self.student.texts.device, len(photographs)
        z = self.student.latents(torch.cat([photographs, edits]).to(device))
        return torch.cat([z[:count], z[count:], F.avg_pool2d(masks.to(device), self.student.factor)], 1)

    def photograph(self, files: Sequence[Path]) -> Tensor:
        """One of ``files`` (C, h, w), mirrored or not."""
        path = files[int(torch.randint(len(files), ()))]
        if path not in self.photographs:
            x = self.reals.opened(path).to(self.student.texts.device)
            self.photographs[path] = self.student.latents(torch.cat([x, x.flip(3)])).half().cpu()
        both = self.photographs[path]
        return both[int(torch.randint(len(both), ()))]
