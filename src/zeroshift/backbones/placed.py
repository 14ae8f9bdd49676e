"""Small numbers that a network is told at every pass, as tensors that are brought to its device once."""

from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(maxsize=4096, typed=True)
def timestep_at(device: torch.device, timestep: float) -> Tensor:
    """A timestep as (1,), in the precision that diffusers itself gives it; MPS has no 64 bits of a fraction."""
    if isinstance(timestep, int):
        dtype = torch.int32 if device.type == "mps" else torch.int64
    else:
        dtype = torch.float32 if device.type == "mps" else torch.float64
    return torch.tensor([timestep], dtype=dtype, device=device)


@lru_cache(maxsize=64)
def sizes_at(device: torch.device, dtype: torch.dtype, height: int, width: int) -> Tensor:
    """Original size, top left corner of the crop and size wanted of a whole picture, (1, 6) (SDXL, section 2.2)."""
    return torch.tensor([[height, width, 0, 0, height, width]], dtype=dtype, device=device)
