"""Bytes that whatever runs holds at a time, counted from the storages of its tensors, on any device and on none."""

import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


@dataclass(frozen=True)
class Bytes:
    """What was held besides what was there before."""

    peak: int
    """at the fullest moment"""
    left: int
    """when it had ended: what it returned and what others kept"""


def bytes_held(run: Callable[[], object]) -> Bytes:
    """Count the bytes of the storages that ``run()`` makes, while they live.

    On the meta device attention is taken to be computed in one kernel, as it is on the CPU and on CUDA, where no table
    of its weights is held. A kernel's own working memory is not counted.
    """
    counter = _Held()
    with Fused(), counter:
        result = run()
    left = counter.now
    del result
    return Bytes(counter.peak, left)


class _Held(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it without types
        self.now, self.peak = 0, 0
        self._alive: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401 - torch's signature
        out = func(*args, **(kwargs or {}))
        before = {x.untyped_storage()._cdata for x in tensors((args, kwargs))}
        for x in tensors(out):
            self._note(x.untyped_storage(), before)
        return out

    def _note(self, storage: torch.UntypedStorage, before: set[int]) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._alive or key in before:  # a view, also of what was there before
            return

        def gone(_: object) -> None:
            del self._alive[key]
            self.now -= size

        self._alive[key] = weakref.ref(storage, gone)
        self.now += size
        self.peak = max(self.peak, self.now)


def tensors(values: object) -> Iterable[Tensor]:
    """The tensors in nested tuples, lists and dictionaries."""
    return (x for x in tree_iter(values) if isinstance(x, Tensor))


class Fused(TorchFunctionMode):
    """Attention by the kernel that holds no table of weights, also where nothing is computed."""

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401 - torch's signature
        if func is torch.nn.functional.scaled_dot_product_attention and args[0].is_meta:
            q, k, v = (x.contiguous() for x in args[:3])
            return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v)[0]
        return func(*args, **(kwargs or {}))
