"""Looking at a real network from outside: what it was called with, what ran, whether anything is left installed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


@contextmanager
def calls(unet: UNet2DConditionModel) -> Iterator[list[int]]:
    """Collect the number of rows of every call of the network."""
    rows: list[int] = []
    handle = unet.register_forward_pre_hook(lambda _module, args: rows.append(len(args[0])))
    try:
        yield rows
    finally:
        handle.remove()


@contextmanager
def seen_rows(network: UNet2DConditionModel, *names: str) -> Iterator[dict[str, list[int]]]:
    """Collect the rows of every output of some modules, before any other hook sees it."""
    rows: dict[str, list[int]] = {name: [] for name in names}

    def note(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        return lambda _module, _args, out: rows[name].append(len(out))

    handles = [network.get_submodule(name).register_forward_hook(note(name), prepend=True) for name in names]
    try:
        yield rows
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def running_order(modules: dict[str, nn.Module]) -> Iterator[list[str]]:
    """Collect the names of ``modules`` in the order in which they finish."""
    names: list[str] = []

    def note(name: str) -> Callable[[nn.Module, object, object], None]:
        return lambda _module, _args, _out: names.append(name)

    handles = [module.register_forward_hook(note(name)) for name, module in modules.items()]
    try:
        yield names
    finally:
        for handle in handles:
            handle.remove()


def installed(unet: UNet2DConditionModel) -> dict[str, object]:
    """Return everything of the network that an edit could leave behind: processors and the number of hooks."""
    left: dict[str, object] = {}
    for name, module in unet.named_modules():
        left[name] = (len(module._forward_hooks), len(module._forward_pre_hooks), "forward" in vars(module))
        if isinstance(module, Attention):
            left[f"{name}.processor"] = module.processor
    return left


class OpenAttention(TorchFunctionMode):
    """Computes every fused attention in the open and keeps its probabilities, in running order."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is not F.scaled_dot_product_attention:
            return function(*args, **(kwargs or {}))
        q, k, v = args
        probs = torch.softmax(torch.einsum("nhsd,nhld->nhsl", q, k) / q.shape[-1] ** 0.5, -1)
        self.seen.append(probs)
        return torch.einsum("nhsl,nhld->nhsd", probs, v)
