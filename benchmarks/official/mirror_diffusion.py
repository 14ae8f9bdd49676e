"""MirrorDiffusion (Lin et al., arXiv:2401.03221), the authors' edit of a photograph; step numbers are those of 60.

The losses on keys and values of cross-attention have no gradient with respect to the latent; the code computes them.
Its inversion is a script of its own, with the library's attention; the edit writes it out in every layer.
"""

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor

from benchmarks.official.model import Model, Work, Written, attention, guided, is_cross, move, trainable
from benchmarks.official.pix2pix_zero import Maps, cross, cross_weights, distance, divergence, gradient, keeping


class Kept(Written):
    """Attention whose maps, keys and values are kept."""

    def __init__(self, name: str, maps: Maps, keys: Maps, values: Maps) -> None:
        super().__init__(name, keeping(maps))
        self.keys, self.values = keys, values

    def projected(self, attn: Attention, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = super().projected(attn, x, context)
        if is_cross(self.name):
            self.keys[self.name], self.values[self.name] = k, v
        return q, k, v


def cycles(steps: int) -> dict[int, float]:
    """The weights of the cycle steps: 0.9, 0.72, 0.576, 0.4608 at 10, 15, 20, 25 of 60."""
    return {round((10 + 5 * k) * steps / 60): 0.9 * 0.8**k for k in reversed(range(4))}


def units(steps: int, inner_steps: int) -> dict[str, int]:
    """Count the work with ``inner_steps`` iterations at every step."""
    turns = len(cycles(steps))
    return {"inversion": steps - 2, "inner": steps * inner_steps, "step": steps - turns, "cycle": turns}


@torch.no_grad()
def edit(
    model: Model,
    x0: Tensor,
    caption: Tensor,
    direction: Tensor,
    *,
    steps: int = 60,
    scale: float = 5.0,
    amount: float = 0.1,
    lambda_kl: float = 20.0,
    inner_steps: int = 10,
    stop: float = 1e-5,
) -> Work:
    """Edit the photograph ``x0`` along ``direction``; 0 for ``stop`` never stops early."""
    kept: tuple[Maps, Maps, Maps] = ({}, {}, {})
    levels = [x0]
    for t in model.timesteps(steps)[::-1][1:-1]:
        levels.append(up(model, levels[-1], t, caption, steps, lambda_kl))
        yield "inversion"
    rebuilt = x = levels[-1]
    e = caption
    with attention(model.unet, lambda name: Kept(name, *kept)), trainable(cross_weights(model.unet)):
        for i, t in enumerate(model.timesteps(steps)):
            wanted, at = levels[len(levels) - i - 2], 60 * i / steps
            e = yield from rewritten(model, rebuilt, wanted, e, t, steps, at, inner_steps, stop)
            twice, same = torch.cat([rebuilt, rebuilt]), torch.cat([e, e])
            rebuilt = model.down(rebuilt, guided(model(twice, t, same), scale), t, steps)
            reference = cross(kept[0]), dict(kept[1]), dict(kept[2])
            strength = 0.65 + 0.02 * at if at < 40 else 0.65
            rows = torch.cat([x, x]).requires_grad_()
            optimiser = torch.optim.SGD([rows], lr=amount)
            turn = cycles(steps).get(i)
            if turn is not None:
                text = torch.cat([e, e + (strength - 1) * direction])
                step_on(model, rows, t, text, optimiser, reference, kept, turn)
            text = torch.cat([e, e + strength * direction])
            step_on(model, rows, t, text, optimiser, reference, kept, None)
            rows = rows.detach()
            x = model.down(rows[:1], guided(model(rows, t, text), scale), t, steps)
            yield "step" if turn is None else "cycle"
    return x


def rewritten(
    model: Model, x: Tensor, wanted: Tensor, e: Tensor, t: int, steps: int, at: float, inner_steps: int, stop: float
) -> Work:
    """The prompt with which the step from ``x`` comes close to ``wanted``."""
    e = e.clone().requires_grad_()
    optimiser = torch.optim.Adam([e], lr=0.01 * (1 - at / 100))
    for _ in range(inner_steps):
        with torch.enable_grad():
            loss = (model.down(x, model(x, t, e), t, steps) - wanted).square().mean()
            optimiser.zero_grad()
            loss.backward()
        optimiser.step()
        yield "inner"
        if stop and loss.item() < stop * (1 + 2 * at):
            break
    return e.detach()


def up(model: Model, x: Tensor, t: int, caption: Tensor, steps: int, lambda_kl: float) -> Tensor:
    """Take an inversion step, its noise pushed towards white by KL alone."""
    a, b = model.level(t - 1), model.level(t - 1 + model.stride(steps))
    eps = model.noise(x, model(x, t, caption), a)
    for _ in range(5):
        eps = eps - lambda_kl * gradient(divergence, eps)
    return move(x, eps, a, b)


@torch.enable_grad()
def step_on(
    model: Model,
    rows: Tensor,
    t: int,
    text: Tensor,
    optimiser: torch.optim.Optimizer,
    reference: tuple[Maps, Maps, Maps],
    kept: tuple[Maps, Maps, Maps],
    turn: float | None,
) -> None:
    """Move the rows by the gradient, which is not cleared first; a cycle step's loss is ``turn`` times that of maps."""
    model(rows, t, text)
    loss = distance(cross(kept[0]), reference[0])
    if turn is None:
        loss = loss + 0.5 * distance(kept[2], reference[2]) + 0.5 * distance(kept[1], reference[1])
    else:
        loss = turn * loss
    loss.backward()
    optimiser.step()
