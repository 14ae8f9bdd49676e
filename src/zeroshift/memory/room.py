"""How many pictures there is room for: what memory is free, and what one picture takes."""

from collections.abc import Callable, Hashable
from typing import TypeAlias

import torch

from zeroshift.asked.request import Request
from zeroshift.memory.free import TAKEN, free_bytes

Need: TypeAlias = Callable[[tuple[Request, ...], tuple[int, int]], int]
"""bytes that one picture of a size (width, height) takes, of which all requests are asked"""
HOST = torch.device("cpu")
PLENTY = 32 << 10
"""bytes per pixel that are enough for any network: Stable Diffusion 1.5 takes up to 14,000 in fp32"""


def pictures_within(most: int, free: int, each: int) -> int:
    """How many pictures that take ``each`` bytes run together in ``free`` bytes: one at least, ``most`` at most."""
    return max(1, min(most, int(TAKEN * free / each)))


class Room:
    """How many pictures run together at most; fewer from the moment when memory ran out.

    Args:
        most: whatever there is room for.
        device: whose memory counts.
        need: what a picture takes; None where memory is not asked.
    """

    def __init__(self, most: int, device: torch.device = HOST, need: Need | None = None) -> None:
        self.most, self._device, self._need = most, device, need
        self._needs: dict[Hashable, int] = {}

    def together(self, requests: tuple[Request, ...], size: tuple[int, int]) -> int:
        """How many pictures of ``size`` (width, height) run together, of which all ``requests`` are asked.

        What one takes is counted once for each kind, and only where memory is not plenty: it takes a second or more.
        """
        each = self._asked(requests, size, self.most) if self.most > 1 else None
        return self.most if each is None else pictures_within(self.most, free_bytes(self._device), each)

    def is_short(self, requests: tuple[Request, ...], size: tuple[int, int]) -> bool:
        """Whether there is no room for one picture of ``size`` (width, height); False where memory is not asked."""
        each = self._asked(requests, size, 1)
        return each is not None and each > TAKEN * free_bytes(self._device)

    def forget(self) -> None:
        """Count anew what pictures take: less from now on."""
        self._needs.clear()

    def _asked(self, requests: tuple[Request, ...], size: tuple[int, int], count: int) -> int | None:
        """Bytes that one picture takes; None where nobody asks, or memory is plenty for ``count`` of them."""
        if self._need is None or count * size[0] * size[1] * PLENTY <= TAKEN * free_bytes(self._device):
            return None
        if (requests, size) not in self._needs:
            self._needs[requests, size] = self._need(requests, size)
        return self._needs[requests, size]

    def ran_out(self, together: int) -> bool:
        """Note that there was no room for so many; whether that is news: groups that are begun may be too large yet."""
        news, self.most = together <= self.most, min(self.most, (together + 1) // 2)
        return news


def is_shortage(error: BaseException) -> bool:
    """Whether memory ran out, of a device or of the host, as torch or Python say it."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    marks = ("DefaultCPUAllocator: ", "not enough memory", "MPS backend out of memory")
    return isinstance(error, RuntimeError) and any(mark in str(error) for mark in marks)


class Shortage(ValueError):
    """Memory is too small even for one picture."""
