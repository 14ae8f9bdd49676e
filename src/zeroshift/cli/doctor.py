"""``zeroshift doctor``."""

import json as as_json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from zeroshift.backbones.checkpoint import Device, Precision
from zeroshift.cli.help import WIDTH
from zeroshift.cli.numbers import check_threads
from zeroshift.cli.progress import waiting
from zeroshift.cli.shared import SHIPPED_METHOD, Text, as_app, check_hub, hush_libraries, method_class
from zeroshift.cli.wrong import as_flags

if TYPE_CHECKING:
    from zeroshift.reports.doctor import Checkup, MethodFit

LEFT = 20
"""columns of a name"""


def command(tokens: Sequence[str]) -> App:
    """The verb."""
    return as_app(doctor, "doctor", "doctor [MODEL] [OPTIONS]")


def doctor(
    model: Annotated[
        Text | None,
        Parameter(help="folder in diffusers format, one .safetensors file, or hub id [default the shipped one]"),
    ] = None,
    *,
    revision: Annotated[Text | None, Parameter(help="hub revision")] = None,
    cache_dir: Annotated[Path | None, Parameter(help="where hub downloads are kept")] = None,
    device: Annotated[Device, Parameter(help="where it runs")] = "auto",
    precision: Annotated[Precision, Parameter(help="auto is fp16 on CUDA, else fp32")] = "auto",
    method: Annotated[str, Parameter(help="whose edit's time is estimated", metavar="NAME")] = SHIPPED_METHOD,
    threads: Annotated[int | None, Parameter(help="CPU threads", metavar="N", validator=Number(gte=1))] = None,
    json: Annotated[bool, Parameter(help="print one JSON object")] = False,
) -> None:
    """Say what this machine and a checkpoint can do together.

    Devices, memory, the checkpoint's parts, for every method what a picture takes of memory and how many are taken
    together, or why it does not fit; and about how long an edit by --method takes: its cost in forward passes of the
    UNet (SF), one of which is measured. Of the weights only the UNet's are read.
    """
    check_hub(model, revision, cache_dir)
    check_threads(threads)
    method_class(method)
    hush_libraries()
    import torch

    from zeroshift.reports.doctor import examine

    if threads is not None:
        torch.set_num_threads(threads)
    with waiting("looking", json):
        found = examine(
            model, revision=revision, cache_dir=cache_dir, device=device, precision=precision, method=method
        )
    print(as_json.dumps(asdict(found)) if json else "\n".join(lines_of(found)))


def lines_of(found: "Checkup") -> list[str]:
    """Everything in tables."""
    lines = ["Machine:"]
    lines += [row(place.name, f"{place.about}, {size(place.free_bytes)} free") for place in found.devices]
    lines += [row("takes", f"{found.device} in {found.precision}"), "", f"Model {found.model}:"]
    lines += [
        row("family", f"{found.family}, one {found.layout}, {found.size} x {found.size} px"),
        row("schedule", f"predicts {found.prediction}, {found.spacing} timesteps"),
        row("weights", f"{size(found.weights_bytes)} of memory in {found.precision}"),
    ]
    lines += [row(part.name, (part.about or "there") if part.found else "none") for part in found.parts]
    lines += ["", "Methods, for each picture:"]
    lines += [line for fit in found.methods for line in lines_of_method(fit)]
    lines += ["", "An edit, loading left out:", row("1 SF", f"{found.forward_seconds:.3g} s")]
    if found.edit is not None:
        lines += [row(found.edit.method, f"{found.edit.sf:.1f} SF, about {found.edit.seconds:.2g} s")]
    return lines


def lines_of_method(fit: "MethodFit") -> list[str]:
    """What a method takes, or why it does not fit."""
    if fit.picture_bytes is None:
        why = textwrap.wrap(f"no: {as_flags(fit.why_not or '')}", WIDTH - LEFT - 2)
        return [row(fit.method if k == 0 else "", line) for k, line in enumerate(why)]
    together = f"{fit.batch} together" if fit.batch else "not even one has room"
    less = "" if fit.saved_bytes is None else f"; {size(fit.saved_bytes)} with --memory low"
    return [row(fit.method, f"{size(fit.picture_bytes)}, {together}{less}")]


def row(name: str, text: str) -> str:
    """One line of a table."""
    return f"  {name:{LEFT}}{text}"


def size(count: int) -> str:
    """Bytes as people read them."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
