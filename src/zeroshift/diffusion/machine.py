"""What computes: last bits depend on it, and which precision is quick."""

import torch

BF16 = ("avx512_bf16", "amx_bf16", "arm_bf16", "bf16")
"""what a CPU that multiplies in bfloat16 can do, as torch calls it; others imitate it, an order of magnitude slower"""


def machine_of(device: torch.device) -> str:
    """A GPU's name, or the widest instructions of the CPU that torch uses, as in ``AVX2``."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return torch.backends.cpu.get_cpu_capability()


def quick_in_bf16(device: torch.device) -> bool:
    """Whether the device itself multiplies in bfloat16."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and any(torch.cpu.get_capabilities().get(name) for name in BF16)
