"""Shapes worked out once, so that counting a network on the meta device is a matter of seconds."""

from collections.abc import Hashable
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

Layout: TypeAlias = tuple[tuple[int, ...], tuple[int, ...], torch.dtype]
"""shape, stride and type of a tensor"""


class Remembered(TorchDispatchMode):
    """While it is entered, an operation on the meta device whose shapes were met before is not worked out again.

    What comes out of a normalisation or a softmax is worked out in Python, which takes milliseconds, and a network asks
    for the same hundreds of times. Views and operations in place are left alone: their results share memory.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it without types
        self._shared: dict[OpOverload, bool] = {}
        self._known: dict[Hashable, tuple[Layout, ...]] = {}

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - torch's signature
        if func not in self._shared:
            self._shared[func] = shares_memory(func)
        if self._shared[func]:
            return func(*args, **(kwargs or {}))
        key = (func, *map(described, args), *((name, described(x)) for name, x in (kwargs or {}).items()))
        if key in self._known:
            made = [torch.empty_strided(*layout[:2], dtype=layout[2], device="meta") for layout in self._known[key]]
            return made[0] if len(func._schema.returns) == 1 else tuple(made)
        out = func(*args, **(kwargs or {}))
        outs = (out,) if isinstance(out, Tensor) else tuple(out) if isinstance(out, tuple) else (None,)
        if all(isinstance(one, Tensor) and one.is_meta for one in outs):
            self._known[key] = tuple((tuple(one.shape), one.stride(), one.dtype) for one in outs)
        return out


def shares_memory(func: OpOverload) -> bool:
    """Whether what comes out of an operation is, or lies in, what went in."""
    return func._schema.is_mutable or any(made.alias_info is not None for made in func._schema.returns)


def described(x: object) -> Hashable:
    """What shapes depend on: of a tensor all but its values, of a number its type as well."""
    if isinstance(x, Tensor):
        return x.shape, x.stride(), x.dtype, x.device
    if isinstance(x, list | tuple):
        return tuple(map(described, x))
    return type(x), x
