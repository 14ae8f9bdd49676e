"""What the student ``co-mod`` learns in one step: its GAN's losses, the difference of pixels, and of features."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from zeroshift.distillation.augmenting import augmented
from zeroshift.distillation.comod import CoModulated, Discriminator
from zeroshift.distillation.examples import Batch, Examples
from zeroshift.distillation.options import DistillOptions
from zeroshift.distillation.stage import DistillStage
from zeroshift.miniature.training.adversary import penalty
from zeroshift.miniature.training.decoder import features_at_hand, unlike

LAZY = 16
"""steps between two gradient penalties, each with so many steps' weight (StyleGAN2, section 3.1)"""


class CoModStage(DistillStage):
    """Non-saturating loss with lazy R1 against the teacher's edits, L1, and distance of an ImageNet network's features.

    The paper's perceptual distance is LPIPS of VGG; here it is that of the network of the extra ``textures``.
    """

    def __init__(self, student: CoModulated, examples: Examples, options: DistillOptions) -> None:
        super().__init__(student, examples, options)
        self.discriminator = Discriminator(student.size, options.channels)
        self.latent = student.latent
        self.seen = features_at_hand()  # neither averaged nor kept

    def training_step(self, indices: Tensor, number: int) -> None:
        with self.exactly():
            batch = augmented(self.examples.read(indices.tolist()).to(self.device))
        z = torch.randn(len(indices), self.latent, device=self.device)
        made = self.student(batch.photographs, batch.directions, batch.intensities, z).float()
        told = self.judged(batch, made.detach(), regularised=number % LAZY == 0)
        self.discriminator.requires_grad_(False)
        told["adversary"] = F.softplus(-self.discriminator(batch.photographs, made)).mean()
        self.discriminator.requires_grad_(True)
        told["pixels"] = (made - batch.edits).abs().mean()
        loss = self.options.adversary * told["adversary"] + self.options.pixels * told["pixels"]
        for network in self.seen:
            network = network.to(self.device)
            told["features"] = unlike(network(made.clamp(-1.2, 1.2)), network(batch.edits))
            loss = loss + self.options.features * told["features"]
        self.log_dict(told, prog_bar=True)
        self.updated(0, self.student, loss, counted=True)

    def judged(self, batch: Batch, made: Tensor, *, regularised: bool) -> dict[str, Tensor]:
        """Train the discriminator on the teacher's edits and what was made, and say its losses."""
        edits = batch.edits.requires_grad_(regularised)
        real, fake = self.discriminator(batch.photographs, edits), self.discriminator(batch.photographs, made)
        told = {"discriminator": F.softplus(-real).mean() + F.softplus(fake).mean()}
        loss = told["discriminator"]
        if regularised:
            told["penalty"] = penalty(real.float(), [edits])
            loss = loss + LAZY * self.options.penalty / 2 * told["penalty"]
        self.updated(1, self.discriminator, loss, counted=False)
        batch.edits.requires_grad_(False)
        return {name: value.detach() for name, value in told.items()}

    def configure_optimizers(self) -> Any:
        ratio = LAZY / (LAZY + 1)  # of a network whose penalty is lazy (StyleGAN2, appendix B)
        judge = torch.optim.Adam(
            self.discriminator.parameters(), lr=self.options.lr * ratio, betas=(0.0, 0.99**ratio), eps=1e-8
        )
        return [torch.optim.Adam(self.student.parameters(), lr=self.options.lr, betas=(0.0, 0.99), eps=1e-8), judge]
