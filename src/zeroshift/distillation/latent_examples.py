"""What the student ``one-step`` learns from: latents of pairs and photographs, each made once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from zeroshift.distillation.augmenting import augmented
from zeroshift.distillation.examples import Batch, Examples
from zeroshift.distillation.one_step import OneStep
from zeroshift.distillation.reals import Reals

VERSIONS = 4
"""of every picture: as it is, and changed at random; encoding takes longer than a student's step"""


@dataclass(frozen=True, eq=False)
class LatentBatch:
    """Some examples, B of them, as latents (B, C, h, w)."""

    photographs: Tensor
    edits: Tensor
    """whole ones: what lies between is between the latents"""
    masks: Tensor
    """(B, 1, h, w), from 0 to 1, how much of a cell the teacher changed"""
    reals: Tensor
    """photographs of the targets"""
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
        own, real = [self.pair(k) for k in indices], [self.real(n) for n in numbers.tolist()]
        device = self.student.texts.device
        rows = torch.stack([one[int(torch.randint(len(one), ()))] for one in own]).to(device).float()
        channels = (rows.shape[1] - 1) // 2
        photographs, edits, masks = rows.split([channels, channels, 1], 1)
        return LatentBatch(photographs, edits, masks, torch.stack(real).to(device).float(), numbers.to(device))

    def pair(self, k: int) -> Tensor:
        """A pair's versions."""
        if k not in self.pairs:
            plain = self.examples.whole([k])
            batches = [plain, *(augmented(plain) for _ in range(VERSIONS - 1))]
            self.pairs[k] = torch.cat([self.encoded(one) for one in batches]).half().cpu()
        return self.pairs[k]

    def encoded(self, batch: Batch) -> Tensor:
        """Photograph, edit and mask (B, 2 C + 1, h, w) of a batch."""
        device, count = self.student.texts.device, len(batch.photographs)
        z = self.student.latents(torch.cat([batch.photographs, batch.edits]).to(device))
        return torch.cat([z[:count], z[count:], F.avg_pool2d(batch.masks.to(device), self.student.factor)], 1)

    def real(self, direction: int) -> Tensor:
        """A photograph (C, h, w) of a direction's target."""
        files = self.reals.files[direction]
        path = files[int(torch.randint(len(files), ()))]
        if path not in self.photographs:
            x = self.reals.opened(path).to(self.student.texts.device)
            self.photographs[path] = self.student.latents(torch.cat([x, x.flip(3)])).half().cpu()
        both = self.photographs[path]
        return both[int(torch.randint(len(both), ()))]
