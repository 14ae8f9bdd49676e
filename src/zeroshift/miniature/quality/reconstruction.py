"""How well an autoencoder keeps photographs, beside the best linear code of its own patches."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor

from zeroshift.image.tensors import to_bytes


@torch.no_grad()
def reconstructed(model: AutoencoderKL, pictures: Tensor, batch: int = 32) -> Tensor:
    """What the autoencoder makes of uint8 pictures (N, 3, H, W), from the latents' means, rounded to uint8."""
    parts = []
    for part in torch.split(pictures, batch):
        latents = model.encode(part.float() / 127.5 - 1).latent_dist.mean
        parts.append(to_bytes((model.decode(latents).sample + 1) * 127.5))
    return torch.cat(parts)


@dataclass(frozen=True)
class PatchPCA:
    """Principal components of square patches: the linear code of least squared error with so many values per patch."""

    side: int
    mean: Tensor
    """(3 * side * side,)"""
    components: Tensor
    """orthonormal rows, (values per patch, 3 * side * side)"""

    def reconstructed(self, pictures: Tensor) -> Tensor:
        """Uint8 pictures (N, 3, H, W) coded and decoded, rounded to uint8."""
        return torch.cat([self._reconstructed(part) for part in torch.split(pictures, 256)])

    def _reconstructed(self, pictures: Tensor) -> Tensor:
        centred = _patches(pictures, self.side) - self.mean
        coded = centred @ self.components.T @ self.components + self.mean  # (N, patches, 3 * side * side)
        shape = (pictures.shape[-2], pictures.shape[-1])
        return to_bytes(F.fold(coded.transpose(1, 2), shape, self.side, stride=self.side))


def fit_patch_pca(pictures: Tensor, side: int, values: int) -> PatchPCA:
    """Fit ``values`` components to the patches of uint8 pictures (N, 3, H, W) that ``side`` divides."""
    size = 3 * side * side
    total, squares = torch.zeros(size, dtype=torch.float64), torch.zeros(size, size, dtype=torch.float64)
    for part in torch.split(pictures, 256):  # all patches at once would be gigabytes
        patches = _patches(part, side).flatten(0, 1).double()
        total += patches.sum(0)
        squares += patches.T @ patches
    count = pictures.numel() // size
    _, vectors = torch.linalg.eigh(squares - total[:, None] * total / count)  # ascending eigenvalues
    return PatchPCA(side, (total / count).float(), vectors[:, -values:].T.float())


def _patches(pictures: Tensor, side: int) -> Tensor:
    return F.unfold(pictures.float(), side, stride=side).transpose(1, 2)  # (N, patches, 3 * side * side)
