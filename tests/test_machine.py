"""What computes is named, as the system tells it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from zeroshift.diffusion import machine

LINES = (
    "processor\t: 0\nmodel name\t: A CPU: 9000 @ 3 GHz\nflags\t\t: fpu\n\nprocessor\t: 1\nmodel name\t: Another CPU\n"
)


@pytest.fixture
def told(tmp_path: Path, monkeypatch) -> Iterator[Path]:
    """The file in which Linux names its CPU; names of earlier tests, and this one's, are forgotten."""
    monkeypatch.setattr(machine, "CPUS", tmp_path / "cpuinfo")
    monkeypatch.setattr("platform.processor", lambda: "a processor")
    machine.cpu_name.cache_clear()
    yield tmp_path / "cpuinfo"
    machine.cpu_name.cache_clear()


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        (LINES, "A CPU: 9000 @ 3 GHz"),
        ("processor\t: 0\nCPU implementer\t: 0x41\n", "a processor"),  # as on ARM
        ("", "a processor"),
        (None, "a processor"),
    ],
)
def test_a_cpu_has_its_makers_name_or_else_what_python_calls_it(lines, name, told):
    if lines is not None:
        told.write_text(lines)
    assert machine.cpu_name() == name
    assert machine.machine_of(torch.device("cpu")) == f"{name}, {torch.backends.cpu.get_cpu_capability()}"


def test_without_any_name_the_instructions_stand_alone(told, monkeypatch):
    monkeypatch.setattr("platform.processor", lambda: "")
    assert machine.cpu_name() == ""
    assert machine.machine_of(torch.device("cpu")) == torch.backends.cpu.get_cpu_capability()


def test_a_name_is_read_once(told):
    told.write_text(LINES)
    first = machine.cpu_name()
    told.unlink()
    assert machine.cpu_name() == first
