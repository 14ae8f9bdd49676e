"""How many pictures there is room for: what memory is free, and what one picture takes."""

from collections.abc import Callable, Hashable
from typing import TypeAlias

import psutil
import torch

from zeroshift.request import Request

Need: TypeAlias = Callable[[tuple[Request, ...], tuple[int, int]], int]
"""bytes that one picture of a size (width, height) takes, of which all requests are asked"""
HOST = torch.device("cpu")
TAKEN = 0.7
"""share of what is free that a run may take: kernels need room of their own, which is not counted"""
PLENTY = 32 << 10
"""bytes per pixel that are enough for any network: Stable Diffusion 1.5 takes up to 14,000 in fp32"""


def free_bytes(device: torch.device) -> int:
    """Memory that nobody uses: of the device, what this process reserved and does not use included, or of the host."""
    match device.type:
        case "cuda":
            free, _ = torch.cuda.mem_get_info(device)
            return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        case "mps":
            return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return int(psutil.virtual_memory().available)


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
        if self._need is None or self.most == 1:
            return self.most
        free = free_bytes(self._device)
        if self.most * size[0] * size[1] * PLENTY <= TAKEN * free:
            return self.most
        if (requests, size) not in self._needs:
            self._needs[requests, size] = self._need(requests, size)
        return pictures_within(self.most, free, self._needs[requests, size])

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
