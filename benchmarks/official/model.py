"""What the codes share: noise levels, DDIM's move, attention written out, weights that take gradients.

One picture at a time; latents are (1, C, h, w), prompts (1, L, D).
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import sqrt
from typing import Any, TypeAlias

from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

Work: TypeAlias = Generator[str, None, Tensor]
Look: TypeAlias = Callable[[str, Tensor], Tensor]
"""sees a layer's name and its probabilities (rows * heads, pixels, keys), and returns what is used"""


@dataclass(frozen=True)
class Model:
    """A UNet on Stable Diffusion's training schedule."""

    unet: UNet2DConditionModel
    alphas: tuple[float, ...]
    """cumulative products of the training schedule"""
    prediction: str = "epsilon"
    """what the UNet predicts, or "v_prediction" """

    def timesteps(self, steps: int) -> list[int]:
        """The sampling timesteps, noisiest first: 981, 961, ..., 1 for 50."""
        return [1 + self.stride(steps) * k for k in reversed(range(steps))]

    def stride(self, steps: int) -> int:
        return len(self.alphas) // steps

    def level(self, timestep: int) -> float:
        """The cumulative product at a timestep; the first one stands for everything before it."""
        return self.alphas[max(timestep, 0)]

    def __call__(self, x: Tensor, timestep: int, text: Tensor) -> Tensor:
        out: Tensor = self.unet(x, timestep, text, return_dict=False)[0]
        return out

    def noise(self, x: Tensor, out: Tensor, a: float) -> Tensor:
        """The noise in ``x`` at level ``a`` by the UNet's output."""
        return out if self.prediction == "epsilon" else sqrt(a) * out + sqrt(1 - a) * x

    def move(self, x: Tensor, out: Tensor, a: float, b: float) -> Tensor:
        """Move ``x`` from level ``a`` to ``b`` (DDIM, eta = 0)."""
        return move(x, self.noise(x, out, a), a, b)

    def down(self, x: Tensor, out: Tensor, timestep: int, steps: int) -> Tensor:
        """Take one of ``steps`` sampling steps."""
        return self.move(x, out, self.level(timestep), self.level(timestep - self.stride(steps)))

    def up(self, x: Tensor, out: Tensor, timestep: int, steps: int) -> Tensor:
        """Take one of ``steps`` steps of inversion, which is asked at the timestep that it reaches.

        The codes know noise predictions only; a velocity is read as the sampler's step to ``x`` would have read it.
        """
        a, b = self.level(timestep - self.stride(steps)), self.level(timestep)
        if self.prediction == "epsilon":
            return move(x, out, a, b)
        cosine, sine = sqrt(a * b) + sqrt((1 - a) * (1 - b)), sqrt(a * (1 - b)) - sqrt(b * (1 - a))
        return (x + sine * out) / cosine


def move(x: Tensor, eps: Tensor, a: float, b: float) -> Tensor:
    """Move ``x`` with noise ``eps`` from level ``a`` to ``b``."""
    return sqrt(b) * (x - sqrt(1 - a) * eps) / sqrt(a) + sqrt(1 - b) * eps


def guided(out: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance of outputs whose first half is the unconditional one."""
    other, prompt = out.chunk(2)
    return other + scale * (prompt - other)


def untouched(_name: str, probs: Tensor) -> Tensor:
    """Use the layer's own map."""
    return probs


class Written:
    """Attention with its map written out, as most of these codes have it."""

    def __init__(self, name: str, look: Look = untouched) -> None:
        self.name, self.look = name, look

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        **_: Any,
    ) -> Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        q, k, v = self.projected(attn, hidden_states, context)
        probs = self.look(self.name, attn.get_attention_scores(q, k))
        out: Tensor = attn.to_out[1](attn.to_out[0](attn.batch_to_head_dim(probs.bmm(v))))
        return out

    def projected(self, attn: Attention, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Q, k and v, (rows * heads, pixels or keys, d)."""
        q, k, v = attn.to_q(x), attn.to_k(context), attn.to_v(context)
        return attn.head_to_batch_dim(q), attn.head_to_batch_dim(k), attn.head_to_batch_dim(v)


@contextmanager
def attention(unet: UNet2DConditionModel, made: Callable[[str], Written | None]) -> Iterator[None]:
    """Run every attention layer by what ``made`` makes for its name; None leaves the library's own, fused."""
    before = dict(unet.attn_processors)
    unet.set_attn_processor({name: made(name.removesuffix(".processor")) or own for name, own in before.items()})
    try:
        yield
    finally:
        unet.set_attn_processor(before)


@contextmanager
def trainable(parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """Let weights take gradients, which nobody uses."""
    chosen = list(parameters)
    for parameter in chosen:
        parameter.requires_grad_(True)
    try:
        yield
    finally:
        for parameter in chosen:
            parameter.requires_grad_(False)
            parameter.grad = None


def is_cross(name: str) -> bool:
    """Whether a layer is cross-attention."""
    return name.endswith("attn2")
