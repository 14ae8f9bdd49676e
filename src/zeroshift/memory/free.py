"""What memory is free."""

import psutil
import torch

TAKEN = 0.7
"""share of what is free that a run may take: kernels need room of their own, which is not counted"""


def free_bytes(device: torch.device) -> int:
    """Memory that nobody uses: of the device, what this process reserved and does not use included, or of the host."""
    match device.type:
        case "cuda":
            free, _ = torch.cuda.mem_get_info(device)
            return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        case "mps":
            return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return int(psutil.virtual_memory().available)
