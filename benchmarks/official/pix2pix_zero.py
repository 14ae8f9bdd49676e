"""pix2pix-zero (Parmar et al., arXiv:2302.03027), the authors' edit of a photograph.

Inversion of T - 2 steps with regularised noise, a reconstruction of both guidance rows that stores every map, an edit
that takes a gradient step per row and asks the network again. Weights of cross-attention take gradients.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.official.model import Look, Model, Work, Written, attention, guided, is_cross, move, trainable

Maps = dict[str, Tensor]
Rolls = Sequence[Sequence[Sequence[Sequence[int]]]]
"""offsets by round, autocorrelation step, pooling level and channel"""


def units(steps: int) -> dict[str, int]:
    return {"inversion": steps - 2, "reconstruction": steps, "edit": steps}


def cross_weights(unet: nn.Module) -> list[nn.Parameter]:
    return [p for name, p in unet.named_parameters() if ".attn2." in name]


@torch.no_grad()
def edit(
    model: Model,
    x0: Tensor,
    caption: Tensor,
    direction: Tensor,
    rolls: Iterator[Rolls],
    *,
    steps: int = 50,
    scale: float = 5.0,
    amount: float = 0.1,
    lambda_ac: float = 20.0,
    lambda_kl: float = 20.0,
    trained: Callable[[nn.Module], Iterable[nn.Parameter]] = cross_weights,
) -> Work:
    """Edit the photograph ``x0`` along ``direction``; ``rolls`` gives the offsets of every inversion step."""
    maps: Maps = {}
    with attention(model.unet, lambda name: Written(name, keeping(maps))), trainable(trained(model.unet)):
        start = x = yield from inverted(model, x0, caption, steps, rolls, lambda_ac, lambda_kl)
        seen, text = [], torch.cat([caption, caption])
        for t in model.timesteps(steps):
            x = model.down(x, guided(model(torch.cat([x, x]), t, text), scale), t, steps)
            seen.append(
                {name: probs.cpu() if x.device.type == "cuda" else probs for name, probs in cross(maps).items()}
            )
            yield "reconstruction"
        x, text = start, torch.cat([caption, caption + direction])
        for t, reference in zip(model.timesteps(steps), seen, strict=True):
            rows = torch.cat([x, x])
            with torch.enable_grad():
                rows = rows.requires_grad_()
                optimiser = torch.optim.SGD([rows], lr=amount)
                model(rows, t, text)
                distance(cross(maps), reference).backward()
                optimiser.step()
            rows = rows.detach()
            x = model.down(rows[:1], guided(model(rows, t, text), scale), t, steps)
            yield "edit"
    return x


def keeping(maps: Maps) -> Look:
    """Keep every layer's latest map, that of self-attention too."""

    def look(name: str, probs: Tensor) -> Tensor:
        maps[name] = probs
        return probs

    return look


def cross(maps: Maps) -> Maps:
    return {name: probs for name, probs in maps.items() if is_cross(name)}


def distance(maps: Maps, reference: Maps) -> Tensor:
    """The sum over layers, pixels and tokens, and the mean over rows and heads, of squared differences."""
    losses = [(maps[name] - reference[name].to(maps[name])).square().sum((1, 2)).mean(0) for name in maps]
    return torch.stack(losses).sum()


def inverted(
    model: Model, x: Tensor, caption: Tensor, steps: int, rolls: Iterator[Rolls], lambda_ac: float, lambda_kl: float
) -> Work:
    """Invert on the grid that lacks the first and the last timestep and lies one index off the sampler's."""
    for t in model.timesteps(steps)[::-1][1:-1]:
        a, b = model.level(t - 1), model.level(t - 1 + model.stride(steps))
        eps = model.noise(x, model(x, t, caption), a)
        x = move(x, whitened(eps, next(rolls), lambda_ac, lambda_kl), a, b)
        yield "inversion"
    return x


def whitened(eps: Tensor, rolls: Rolls, lambda_ac: float, lambda_kl: float) -> Tensor:
    """Take gradient steps on both losses."""
    for offsets in rolls:
        for offset in offsets:
            eps = eps - lambda_ac / len(offsets) * gradient(partial(autocorrelation, offset=offset), eps)
        eps = eps - lambda_kl * gradient(divergence, eps)
    return eps


def gradient(loss: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        (found,) = torch.autograd.grad(loss(x), x)
    return found


def autocorrelation(eps: Tensor, offset: Sequence[Sequence[int]]) -> Tensor:
    """The squared mean products with rolled copies, channel by channel, level by level."""
    total = eps.new_zeros(())
    for channel in range(eps.shape[1]):
        noise = eps[:, channel : channel + 1]
        for level in range(len(offset)):
            for axis in (2, 3):
                total = total + (noise * noise.roll(offset[level][channel], axis)).mean() ** 2
            noise = F.avg_pool2d(noise, 2) if level + 1 < len(offset) else noise
    return total


def divergence(eps: Tensor) -> Tensor:
    """The KL divergence from a standard normal of all values together."""
    variance, mean = eps.var(), eps.mean()
    return variance + mean**2 - 1 - torch.log(variance + 1e-7)
