"""pix2pix-zero in two plain loops, written from its description alone: nothing of the package is used.

One picture at a time, rows (negative, prompt) always both, every attention map of the reference pass kept, losses
differentiated automatically.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import Tensor


class Exposed:
    """Attention that keeps its last probabilities, (rows * heads, pixels, tokens)."""

    def __init__(self) -> None:
        self.probs = torch.empty(0)

    def __call__(
        self, attn: Attention, hidden_states: Tensor, encoder_hidden_states: Tensor, attention_mask: None = None
    ) -> Tensor:
        q = attn.head_to_batch_dim(attn.to_q(hidden_states))
        k, v = (attn.head_to_batch_dim(to(encoder_hidden_states)) for to in (attn.to_k, attn.to_v))
        self.probs = attn.get_attention_scores(q, k)
        return attn.to_out[0](attn.batch_to_head_dim(torch.bmm(self.probs, v)))


@dataclass(frozen=True, eq=False)
class Network:
    """A network whose cross-attention maps lie open, and its noise levels."""

    unet: UNet2DConditionModel
    layers: tuple[Exposed, ...]
    alphas: Tensor
    prediction: Literal["epsilon", "v_prediction"]

    def __call__(self, x: Tensor, t: int, tokens: Tensor) -> Tensor:
        return self.unet(x, t, encoder_hidden_states=tokens).sample

    def alpha(self, t: int) -> Tensor:
        return self.alphas[max(t, 0)]

    def noise(self, x: Tensor, out: Tensor, a: Tensor) -> Tensor:
        """Return the predicted noise of ``x`` at the level ``a``."""
        return out if self.prediction == "epsilon" else a.sqrt() * out + (1 - a).sqrt() * x

    def noise_told(self, x: Tensor, out: Tensor, a: Tensor, told: Tensor) -> Tensor:
        """Return the noise of ``x`` at the level ``a`` from what the network said of the level ``told``.

        Two equations with two unknowns: x = sqrt(a) x0 + sqrt(1 - a) eps, v = sqrt(told) eps - sqrt(1 - told) x0.
        """
        if self.prediction == "epsilon":
            return out
        both = torch.stack([torch.stack([a.sqrt(), (1 - a).sqrt()]), torch.stack([-(1 - told).sqrt(), told.sqrt()])])
        return torch.linalg.solve(both, torch.stack([x.flatten(), out.flatten()]))[1].view_as(x)

    def move(self, x: Tensor, eps: Tensor, a: Tensor, b: Tensor) -> Tensor:
        """Return ``x`` moved from the level ``a`` to ``b``, deterministic DDIM."""
        return b.sqrt() * (x - (1 - a).sqrt() * eps) / a.sqrt() + (1 - b).sqrt() * eps

    def maps(self) -> list[Tensor]:
        return [layer.probs for layer in self.layers]


def expose(unet: UNet2DConditionModel, scheduler: DDIMScheduler) -> Network:
    """Return an oracle on a copy of ``unet``."""
    copied, layers = deepcopy(unet), []
    for name, module in copied.named_modules():
        if name.endswith("attn2"):
            layers.append(Exposed())
            module.set_processor(layers[-1])
    return Network(copied, tuple(layers), scheduler.alphas_cumprod.double(), scheduler.config.prediction_type)


def autocorrelation(eps: Tensor, offsets: Tensor) -> Tensor:
    """Return the loss of one picture (1, C, H, W); ``offsets`` is (levels, C)."""
    total = torch.zeros((), dtype=eps.dtype)
    for c in range(eps.shape[1]):
        n, level = eps[:, c : c + 1], 0
        while True:
            r = int(offsets[level, c])
            total = total + (n * torch.roll(n, r, 2)).mean() ** 2 + (n * torch.roll(n, r, 3)).mean() ** 2
            if n.shape[2] <= 8:
                break
            n, level = F.avg_pool2d(n, 2), level + 1
    return total


def divergence(eps: Tensor) -> Tensor:
    m, v = eps.mean(), eps.var()
    return v + m**2 - 1 - torch.log(v + 1e-7)


def descend(eps: Tensor, loss, weight: float) -> Tensor:
    """Return ``eps`` after one plain gradient step on ``loss``."""
    leaf = eps.detach().requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(loss(leaf), leaf)
    return eps - weight * gradient


def invert(
    net: Network,
    x0: Tensor,
    c: Tensor,
    steps: int,
    grid: str,
    rolls: Sequence[Tensor],
    lambda_ac: float,
    lambda_kl: float,
) -> list[Tensor]:
    """Return the latents after every inversion step; ``rolls`` holds (outer, inner, levels, C) for each of them."""
    stride = 1000 // steps
    if grid == "official":
        moves = [(t, t - 1, t - 1 + stride) for t in range(1 + stride, 2 + (steps - 2) * stride, stride)]
    else:
        moves = [(t, t - stride, t) for t in range(1, 2 + (steps - 1) * stride, stride)]
    x, latents = x0, []
    for (t, left, right), outer in zip(moves, rolls, strict=True):
        a, b = net.alpha(left), net.alpha(right)
        eps = net.noise_told(x, net(x, t, c), a, b if grid == "aligned" else a)
        for inner in outer:
            for offsets in inner:
                eps = descend(eps, lambda e, r=offsets: autocorrelation(e, r), lambda_ac / len(inner))
            eps = descend(eps, divergence, lambda_kl)
        x = net.move(x, eps, a, b)
        latents.append(x)
    return latents


@torch.no_grad()
def edit(
    net: Network,
    start: Tensor,
    n: Tensor,
    c: Tensor,
    shifts: Sequence[Tensor],
    *,
    guidance: float,
    strength: float,
) -> tuple[Tensor, Tensor]:
    """Return (reconstruction, edit); ``shifts`` is added to the prompt step by step, ``strength`` is lambda_xa."""
    steps, x = len(shifts), start
    timesteps = [1 + 1000 // steps * k for k in reversed(range(steps))]
    kept: list[list[Tensor]] = []
    for t in timesteps:
        out = net(torch.cat([x, x]), t, torch.cat([n, c]))
        kept.append(net.maps())
        x = guide_and_move(net, x, out, t, steps, guidance)
    reconstruction, x = x, start
    weight = strength * 26944 / sum(m.shape[1] for m in kept[0])
    for t, reference, shift in zip(timesteps, kept, shifts, strict=True):
        text = torch.cat([n, c + shift])

        def distance(rows: Tensor, t: int = t, text: Tensor = text, reference: list[Tensor] = reference) -> Tensor:
            net(rows, t, text)
            return sum(((m - r) ** 2).sum((1, 2)).mean(0) for m, r in zip(net.maps(), reference, strict=True))

        rows = descend(torch.cat([x, x]), distance, weight)
        x = guide_and_move(net, rows[:1], net(rows, t, text), t, steps, guidance)
    return reconstruction, x


def guide_and_move(net: Network, x: Tensor, out: Tensor, t: int, steps: int, guidance: float) -> Tensor:
    """Return the next latent from the two rows' outputs, classifier-free guidance and one DDIM step from ``x``."""
    out_n, out_c = out.chunk(2)
    a, b = net.alpha(t), net.alpha(t - 1000 // steps)
    return net.move(x, net.noise(x, out_n + guidance * (out_c - out_n), a), a, b)
