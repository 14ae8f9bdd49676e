"""MirrorDiffusion in plain loops, written from its description alone."""

from dataclasses import dataclass

import torch
from torch import Tensor

from tests import oracles

STEPS = 12
"""a fifth of the authors' 60, so that cycle steps fall onto steps"""
LAMBDA_KL, RATE, INNER = 0.3, 0.05, 3
"""of the little network: its latents have 64 times fewer values than those the defaults are for"""


@dataclass(frozen=True, eq=False)
class Wanted:
    """What the plain loops find."""

    reconstruction: Tensor
    edited: Tensor
    prompts: list[Tensor]
    evaluations: list[int]
    """how often the loss was looked at in every step"""


def walked_up(net: oracles.Network, x0: Tensor, c: Tensor, official: bool) -> list[Tensor]:
    """Return the inversion's latents, the clean one first."""
    no_rolls = [torch.zeros(5, 0, 1, 4)] * (STEPS - 2 if official else STEPS)
    return [x0, *oracles.invert(net, x0, c, STEPS, "official" if official else "aligned", no_rolls, 0.0, LAMBDA_KL)]


def plain(net: oracles.Network, z: list[Tensor], c: Tensor, delta: Tensor, official: bool, stop: float) -> Wanted:
    """One picture, guidance 5, lambda_xa 0.1; ``at`` are step numbers of a run of 60."""
    e, rec, edit = c, z[-1], z[-1]
    found, counts = [], []
    for i in range(STEPS):
        t, at = timestep(i), 60 // STEPS * i
        y = z[len(z) - i - 2]  # negative at the end of the official run
        e, losses = rewritten(net, rec, e, y, i, official, stop)
        found.append(e)
        counts.append(len(losses))
        with torch.no_grad():
            out = net(torch.cat([rec, rec]), t, torch.cat([e, e]))
            reference = [m.clone() for m in net.maps()]
            rec = oracles.guide_and_move(net, rec, out, t, STEPS, 5.0)
        w = 0.65 + 0.02 * at if at < 40 else 0.65
        rows = guided(net, edit, e, delta, w, t, at, reference, official)
        with torch.no_grad():
            out = net(rows, t, torch.cat([e, e + w * delta]))
            edit = oracles.guide_and_move(net, rows[:1], out, t, STEPS, 5.0)
    return Wanted(rec, edit, found, counts)


def timestep(i: int) -> int:
    return 1 + 1000 // STEPS * (STEPS - 1 - i)


def rewritten(
    net: oracles.Network, x: Tensor, e: Tensor, y: Tensor, i: int, official: bool, stop: float
) -> tuple[Tensor, list[float]]:
    """Return the prompt and every loss that was looked at."""
    t, losses = timestep(i), []
    leaf = e.detach().clone().requires_grad_()
    adam = torch.optim.Adam([leaf], lr=RATE * (1 - 60 // STEPS * i / 100))
    a, b = net.alpha(t), net.alpha(t - 1000 // STEPS)
    for _ in range(INNER):
        loss = torch.nn.functional.mse_loss(net.move(x, net.noise(x, net(x, t, leaf), a), a, b), y)
        losses.append(loss.item())
        if losses[-1] < stop and not official:
            break
        adam.zero_grad()
        loss.backward()
        adam.step()
        if losses[-1] < stop:
            break
    return leaf.detach(), losses


def guided(
    net: oracles.Network,
    x: Tensor,
    e: Tensor,
    delta: Tensor,
    w: float,
    t: int,
    at: int,
    reference: list[Tensor],
    official: bool,
) -> Tensor:
    """Return the two rows after guidance, by an optimiser whose gradients are cleared only in the corrected course."""
    rows = torch.cat([x, x]).detach().requires_grad_()
    sgd = torch.optim.SGD([rows], lr=0.1 * 26944 / sum(m.shape[1] for m in reference))
    cycles = {10: 0.9, 15: 0.9 * 0.8, 20: 0.9 * 0.64, 25: 0.9 * 0.512}
    stages = [(cycles[at], w - 1)] if at in cycles else []
    for weight, strength in [*stages, (1.0, w)]:
        if not official:
            sgd.zero_grad()
        net(rows, t, torch.cat([e, e + strength * delta]))
        pairs = zip(net.maps(), reference, strict=True)
        (weight * sum(((m - r) ** 2).sum((1, 2)).mean(0) for m, r in pairs)).backward()
        sgd.step()
    return rows.detach()
