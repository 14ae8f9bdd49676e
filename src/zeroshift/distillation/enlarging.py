"""Enlargement by repeated pixels and the 3x3 convolution after it, in four ninths of the work.

Several taps of the kernel K meet copies of the same pixel there, and can be added up before: what is left is the
transposed convolution of stride 2 by K' * (1 1; 1 1), 4x4, of which four taps meet each pixel of the result. K' is K
turned by half: a convolution, as networks have it, gathers pixels by K, and a transposed one scatters them.
"""

import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor, nn


class Enlarging(nn.Module):
    """What diffusers' ``Upsample2D`` makes with a convolution ``conv``, 3x3 with a border of zeros; it is frozen."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        kernels = conv.weight.detach().flip(2, 3).flatten(0, 1)[:, None]  # (O C, 1, 3, 3)
        taps = F.conv2d(kernels, kernels.new_ones(1, 1, 2, 2), padding=1)
        weight = taps.unflatten(0, conv.weight.shape[:2]).squeeze(2).transpose(0, 1)  # (C, O, 4, 4)
        self.weight, self.bias = nn.Parameter(weight.contiguous(), requires_grad=False), conv.bias

    def forward(self, x: Tensor) -> Tensor:
        """(B, O, 2h, 2w) of (B, C, h, w)."""
        return F.conv_transpose2d(x, self.weight, self.bias, stride=2, padding=1)


def quicker(vae: AutoencoderKL) -> AutoencoderKL:
    """The autoencoder, whose decoder enlarges in less time from now on."""
    for block in vae.decoder.up_blocks:
        if block.upsamplers is not None:
            block.upsamplers = nn.ModuleList(Enlarging(one.conv) for one in block.upsamplers)
    return vae
