"""StyleDiffusion's inversion in plain loops over torch's own layers, written from its description alone."""

from copy import deepcopy
from dataclasses import dataclass, field
from math import ceil, exp

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from tests.runs import clean, prompts
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.inversion import ValueEmbedding
from zeroshift.inversion.base import CleanLatents, InversionContext, finished
from zeroshift.inversion.mapping import draw_network

STEPS, SCALE, SEED = 2, 7.5, 5
FEW = ValueEmbedding(inner_steps=3, inner_decay=0.5)


def photograph(backbone: StableDiffusion, count: int) -> CleanLatents:
    pictures = torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(7)).double() * 2 - 1
    return CleanLatents(pictures, clean(count), prompts(backbone, count))


def inverted(
    backbone: StableDiffusion, inversion: ValueEmbedding, count: int = 1, only: int | None = None
) -> Trajectory:
    whole = photograph(backbone, count)
    chosen = slice(None) if only is None else slice(only, only + 1)
    given = CleanLatents(whole.pictures[chosen], whole.x0[chosen], prompts(backbone, len(whole.x0[chosen])))
    return finished(inversion.invert(backbone, given, InversionContext(STEPS, SCALE, (SEED,) * len(given.x0))))


@dataclass
class Valued:
    """Attention whose values see something of their own, and that keeps its probabilities."""

    values: list[Tensor | None]
    """one entry, shared by all layers"""
    probs: Tensor = field(default_factory=lambda: torch.empty(0))

    def __call__(self, attn: Attention, hidden_states: Tensor, encoder_hidden_states: Tensor, attention_mask=None):
        seen = encoder_hidden_states if self.values[0] is None else self.values[0]
        q, k, v = attn.to_q(hidden_states), attn.to_k(encoder_hidden_states), attn.to_v(seen)
        q, k, v = (x.unflatten(2, (attn.heads, -1)).transpose(1, 2) for x in (q, k, v))
        self.probs = torch.softmax(q @ k.transpose(2, 3) / q.shape[-1] ** 0.5, -1)
        return attn.to_out[0]((self.probs @ v).transpose(1, 2).flatten(2))


class Oracle:
    """A copy of the network; everything one picture at a time."""

    def __init__(self, backbone: StableDiffusion) -> None:
        self.unet, self.values = deepcopy(backbone.unet), [None]
        self.layers = {}
        for name, module in self.unet.named_modules():
            if name.endswith("attn2"):
                self.layers[name] = Valued(self.values)
                module.set_processor(self.layers[name])
        self.alphas = backbone.scheduler.alphas_cumprod.double()

    def __call__(self, x: Tensor, t: int, tokens: Tensor, values: Tensor | None = None) -> Tensor:
        self.values[0] = values
        return self.unet(x, t, encoder_hidden_states=tokens).sample

    def maps(self) -> list[Tensor]:
        """Return the maps of the coarsest side that encoder and decoder both have: half the latent's here."""
        return [v.probs for name, v in self.layers.items() if name.startswith(("down_blocks.1", "up_blocks.1"))]

    def move(self, x: Tensor, eps: Tensor, left: int, reached: int) -> Tensor:
        a, b = self.alphas[max(left, 0)], self.alphas[max(reached, 0)]
        return b.sqrt() * (x - (1 - a).sqrt() * eps) / a.sqrt() + (1 - b).sqrt() * eps


def torch_network(inputs: int, length: int, outputs: int, seed: int) -> nn.Sequential:
    """Return the mapping network in torch's layers, in training mode, with our starting weights."""
    hidden = 2 * length
    net = nn.Sequential(
        nn.Conv1d(inputs, hidden, 1),
        nn.Conv1d(hidden, hidden, 1),
        nn.BatchNorm1d(hidden),
        nn.LeakyReLU(0.01),
        nn.Conv1d(hidden, outputs, 1),
    ).double()
    with torch.no_grad():
        for theirs, ours in zip(net.parameters(), draw_network(inputs, hidden, outputs, 1, seed), strict=True):
            theirs.copy_(ours.reshape(theirs.shape))
    return net.train()


def learned(backbone: StableDiffusion, given: CleanLatents, mapping: str, options: ValueEmbedding):
    """Return (path, scales, shifts), StyleDiffusion's training written from its description."""
    net, stride = Oracle(backbone), 1000 // STEPS
    c, empty = given.prompt.tokens, backbone.embed([""]).tokens
    wanted, kept = [given.x0], []
    for k in range(STEPS):
        t = 1 + stride * k
        with torch.no_grad():
            wanted.append(net.move(wanted[-1], net(wanted[-1], t, c), t - stride, t))
        kept.append(net.maps())
    kept.append(kept[-1])  # the noisiest latent is never asked about
    tokens, length = backbone.image_tokens(given.pictures), c.shape[1]
    m = torch_network(tokens.shape[1], length, 2 * length if mapping == "affine" else length, SEED)
    x, path, scales, shifts = wanted[-1], [wanted[-1]], [], []
    for i in range(STEPS):
        t = 1 + stride * (STEPS - 1 - i)
        adam = torch.optim.Adam(m.parameters(), lr=1e-2 * (1 - i / 100))
        with torch.no_grad():
            eps_empty = net(x, t, empty)

        def values(m=m) -> tuple[Tensor, Tensor]:
            out = m(tokens)
            return (out[:, :length], out[:, length:]) if mapping == "affine" else (torch.zeros_like(out), out)

        def step(s: Tensor, b: Tensor, x=x, t=t, eps_empty=eps_empty) -> Tensor:
            eps = eps_empty + SCALE * (net(x, t, c, c * s + b) - eps_empty)
            return net.move(x, eps, t, t - stride)

        for _ in range(ceil(options.inner_steps * exp(-options.inner_decay * i))):
            loss = ((step(*values()) - wanted[STEPS - i - 1]) ** 2).mean()
            for mine, theirs in zip(net.maps(), kept[STEPS - i], strict=True):
                loss = loss + ((mine - theirs) ** 2).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            if loss < options.stop_loss + 2 * options.stop_loss * i:
                break
        with torch.no_grad():
            s, b = values()
            x = step(s, b)
        path.append(x)
        scales.append(s)
        shifts.append(b)
    return path, scales, shifts
