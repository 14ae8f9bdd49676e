"""Floating-point operations of whatever runs, by torch's own formulas."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.embedding import Embedding

T = TypeVar("T")


def forward_flops(backbone: Backbone, x0: Tensor) -> int:
    """Count one forward pass on the first sample of ``x0``: 1 SF."""
    text = prompt_for(backbone, x0[:1])
    with torch.no_grad():
        return flops_of(lambda: backbone.predict(x0[:1], 1, text))


def prompt_for(backbone: Backbone, x0: Tensor) -> Embedding:
    """Some prompt for every picture of ``x0``: what it says costs nothing."""
    return backbone.embed(["a photo"]).repeat(len(x0))


def flops_of(run: Callable[[], object]) -> int:
    """Count the floating-point operations of ``run()``."""
    return counted(run)[1]


def counted(run: Callable[[], T]) -> tuple[T, int]:
    """What ``run()`` returns and the floating-point operations that it took."""
    # written-out attention everywhere, so that every device and fused kernel counts the same
    counter = _Counter()
    with sdpa_kernel(SDPBackend.MATH), counter:
        result = run()
    return result, counter.flops


def traced(run: Callable[[], object]) -> tuple[Hashable, ...]:
    """List the products and convolutions of ``run()`` in order, with the shapes that they are of."""
    counter = _Counter()
    with sdpa_kernel(SDPBackend.MATH), counter:
        run()
    return tuple(counter.trace)


class _Counter(TorchDispatchMode):
    """torch's formulas, without the module tracker of ``FlopCounterMode``, which a pass that ends early confuses."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it without types
        self.flops = 0
        self.trace: list[Hashable] = []

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401 - torch's signature
        out = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func.overloadpacket)
        if formula is not None:
            self.flops += formula(*args, **(kwargs or {}), out_val=out)
            self.trace.append((func, tuple(x.shape for x in args if isinstance(x, Tensor))))
        return out
