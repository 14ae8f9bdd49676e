"""Inversions that are kept, so that further edits of the same photographs invert nothing."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from threading import Lock
from typing import Protocol, runtime_checkable

from torch import Tensor

from zeroshift.asked.request import Request, inversion_facts
from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.framed import FramedPhoto
from zeroshift.methods.base import inversion_plan

MOST_BYTES = 1 << 30
"""that an ``InversionMemory`` holds by default"""


@runtime_checkable
class InversionStore(Protocol):
    """Where inversions are kept by their ``inversion_key``. Any thread may call any method at any time."""

    def get(self, key: str) -> Trajectory | None:
        """The inversion of this key; None if it is not kept."""

    def put(self, key: str, trajectory: Trajectory) -> None:
        """Keep an inversion, or not: a store may forget whatever it likes."""


class InversionMemory:
    """Keeps inversions in memory, up to a number of bytes; those that were not used for longest go first.

    Args:
        most_bytes: an inversion that is larger than all of this is not kept.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._lock = most_bytes, Lock()
        self._kept: OrderedDict[str, Trajectory] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: str) -> Trajectory | None:
        """The inversion of this key; None if it is not kept."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: str, trajectory: Trajectory) -> None:
        """Keep an inversion; what was not used for longest goes where there is no room."""
        with self._lock:
            self._kept.pop(key, None)
            if size_of(trajectory) > self._most:
                return
            self._kept[key] = trajectory
            while sum(map(size_of, self._kept.values())) > self._most:
                self._kept.popitem(last=False)


def size_of(trajectory: Trajectory) -> int:
    """Bytes that an inversion's tensors take, each counted once, with the maps that were kept on the way."""
    storages = {x.untyped_storage().data_ptr(): x.untyped_storage().nbytes() for x in _tensors(trajectory)}
    return sum(storages.values())


def _tensors(trajectory: Trajectory) -> Iterator[Tensor]:
    for _, tensors in trajectory.tensors():
        yield from tensors
    for recording in trajectory.maps:
        yield from recording.values()


def inversion_key(backbone: Backbone, frames: Sequence[FramedPhoto], request: Request, *, seeds: Sequence[int]) -> str:
    """Hash of all that an inversion depends on: its facts, and the maps that the method keeps of its passes."""
    facts = inversion_facts(backbone, frames, request, seeds=seeds)
    keep = inversion_plan(request.method, backbone, seeds).keep
    maps = {site.name: sorted(keep(site)) for site in backbone.sites if keep(site)}
    return hashlib.sha256(json.dumps([facts, maps], sort_keys=True).encode()).hexdigest()
