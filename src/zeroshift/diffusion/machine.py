"""What computes: last bits depend on it, and which precision is quick."""

import platform
from functools import cache
from pathlib import Path

import torch

CPUS = Path("/proc/cpuinfo")
"""what Linux says of the CPU"""
BF16 = ("avx512_bf16", "amx_bf16", "arm_bf16", "bf16")
"""what a CPU that multiplies in bfloat16 can do, as torch calls it; others imitate it, an order of magnitude slower"""


def machine_of(device: torch.device) -> str:
    """The name of a GPU or CPU, and the widest instructions of the latter that torch uses, as in ``AVX2``.

    Two CPUs of the same instructions may add up in another order, since libraries choose that by maker and caches.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return ", ".join(filter(None, [cpu_name(), torch.backends.cpu.get_cpu_capability()]))


@cache
def cpu_name() -> str:
    """What the CPU is called, "" where the system does not say."""
    lines = CPUS.read_text("utf-8", "replace").splitlines() if CPUS.is_file() else []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def quick_in_bf16(device: torch.device) -> bool:
    """Whether the device itself multiplies in bfloat16."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and any(torch.cpu.get_capabilities().get(name) for name in BF16)
