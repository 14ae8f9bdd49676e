"""What a step asks of a device besides its arithmetic: copies to it, values that are waited for, small operations.

Counted on the meta device, which takes copies from the host as any other does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from zeroshift.backbones.placed import timestep_at
from zeroshift.backbones.twin import twin
from zeroshift.inversion.base import finished
from zeroshift.inversion.noise import draw_rolls, regularise
from zeroshift.inversion.shortened import shortened
from zeroshift.memory.rehearsal import edit_along_nothing, photograph_of
from zeroshift.methods import METHODS
from zeroshift.methods.base import inversion_plan
from zeroshift.running.sampling import sample


class Asked(TorchDispatchMode):
    """Counts what is computed on the meta device, copies to it from the host, and values that the host waits for."""

    def __init__(self) -> None:
        super().__init__()
        self.computed = self.copies = self.waits = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        given, made = ([x for x in tree_iter(v) if isinstance(x, Tensor)] for v in ((args, kwargs), out))
        before = {x.untyped_storage()._cdata for x in given}
        there = any(x.is_meta and x.untyped_storage()._cdata not in before for x in made)  # else it is a view
        self.computed += there
        self.copies += there and any(not x.is_meta for x in given)
        self.waits += name in ("_local_scalar_dense", "nonzero") and any(x.is_meta for x in given)
        return out


@contextmanager
def built_from_numbers() -> Iterator[list[object]]:
    """Collect what ``torch.tensor`` and its like make on the meta device: each is a copy that no operation shows."""
    made: list[object] = []

    class Watch(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            if func in (torch.tensor, torch.as_tensor, Tensor.new_tensor) and isinstance(out, Tensor) and out.is_meta:
                made.append(args[-1])
            return out

    with Watch():
        yield made


def test_the_regulariser_copies_its_offsets_once():
    """Five rounds of five steps on four levels, two axes and two signs: there had been 400 copies, not one."""
    eps = torch.zeros(1, 4, 64, 64, device="meta")
    rolls = draw_rolls(5, 5, 64, 4, [torch.Generator().manual_seed(0)])
    with Asked() as asked:
        regularise(eps, rolls, 20.0, 20.0)
    assert (asked.copies, asked.waits) == (1, 0) and asked.computed <= 2400


@pytest.mark.slow
@pytest.mark.parametrize("kind", METHODS, ids=lambda kind: kind.name)
def test_a_sampling_step_copies_nothing_and_waits_for_nothing(tiny, kind):
    """The first step may bring things to the device; of the second nothing comes from the host."""
    backbone, few = twin(tiny), kind(steps=3)
    x0 = torch.zeros(1, 4, 8, 8, device="meta")
    prompt = backbone.embed(["a photo"])
    with torch.no_grad():
        photograph, learned = photograph_of(backbone, x0, prompt), shortened(few.inversion)
        trajectory = finished(learned.invert(backbone, photograph, inversion_plan(few, backbone, [0])))
        walk = sample(backbone, trajectory, [edit_along_nothing(backbone, few, prompt, trajectory)])
        next(walk)
        with Asked() as asked, built_from_numbers() as made:
            next(walk)
    assert (asked.copies, asked.waits, made) == (0, 0, [])


def test_a_timestep_is_brought_to_a_device_once_and_in_diffusers_precision():
    device = torch.device("cpu")
    assert timestep_at(device, 981) is timestep_at(device, 981)
    assert (timestep_at(device, 981).dtype, timestep_at(device, 981.0).dtype) == (torch.int64, torch.float64)
