"""The mirror report of ``zeroshift invert --report``: report.json, attention.png, and a table."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from zeroshift.cli.output import check_folder, settled
from zeroshift.cli.progress import waiting
from zeroshift.cli.shared import Loudness
from zeroshift.cli.wrong import Wrong

if TYPE_CHECKING:
    from PIL import Image

    from zeroshift.asked.request import Request
    from zeroshift.diffusion.backbone import Backbone
    from zeroshift.diffusion.trajectory import Trajectory
    from zeroshift.framed import FramedPhoto
    from zeroshift.methods import Method
    from zeroshift.reports.mirror import Figures, Mirror, Spread, Way

FIGURES, PICTURE = "report.json", "attention.png"
SEEDS = 3
"""how many are tried where something is random"""
SHARES = (1 / 6, 1 / 2, 5 / 6)
"""of the steps, where attention is looked at"""
COLUMNS = (
    "PSNR, SSIM to the photograph",
    "PSNR, SSIM to the VAE's reconstruction",
    "distance of the two ways' latents, RMS",
    "seeds tried",
)
"""of the table"""


def checked_report(method: "Method", folder: Path, overwrite: bool, loud: Loudness) -> Path:
    """The folder of a report after a look whether it can be made; one beside it where a report is there already.

    Raises:
        Wrong: the method has another inversion than the one that the report is about.
        ValueError: nothing can be written into ``folder``.
    """
    if method.inversion.kind != "redescription":
        raise Wrong(
            f"The mirror report is about prompt redescription, and the inversion is {method.inversion.kind}; "
            "add --inversion redescription, or --method mirror-diffusion."
        )
    if any((folder / name).exists() for name in (FIGURES, PICTURE)):
        (folder,) = settled([folder], overwrite, loud)
    check_folder(folder)
    return folder


def write_report(
    backbone: "Backbone",
    frame: "FramedPhoto",
    request: "Request",
    folder: Path,
    *,
    seed: int,
    loud: Loudness,
) -> "tuple[Trajectory, float]":
    """Write the mirror report of one photograph into ``folder`` and print its table.

    The request's inversion is redescription; returned are what it found, and the seconds that everything took.
    """
    from zeroshift.asked.request import inversion_facts
    from zeroshift.files import write_atomically
    from zeroshift.framed import stacked
    from zeroshift.image.tensors import to_png
    from zeroshift.inversion import CleanLatents, InversionContext, Redescription
    from zeroshift.reports.mirror import compare

    begun, method = time.perf_counter(), request.method
    inversion = cast(Redescription, method.inversion)
    pictures = stacked([frame])
    photograph = CleanLatents(pictures, backbone.encode(pictures), backbone.embed([request.task.source_prompt]))
    plan = InversionContext(method.steps, method.guidance_scale, (seed,))
    with waiting("walking to noise and back", loud.silent):
        mirror, way = compare(backbone, photograph, inversion, plan, range(seed, seed + SEEDS))
        figure = attention(backbone, way, request.task.source_prompt)
    facts = inversion_facts(backbone, [frame], request, seeds=[seed])
    report = json.dumps({**mirror.as_dict(), "facts": facts}, indent=2)
    write_atomically(folder / FIGURES, (report + "\n").encode())
    write_atomically(folder / PICTURE, to_png(figure))
    show(mirror, loud)
    return way.trajectory, time.perf_counter() - begun


def attention(backbone: "Backbone", way: "Way", prompt: str) -> "Image.Image":
    """The attention maps of every word at a few steps, on the way to noise and on the way back."""
    import torch

    from zeroshift.reports.attention_figure import Row, draw
    from zeroshift.reports.mirror import word_maps

    read, source = backbone.tokens(prompt), backbone.embed([prompt])
    named = [(word, span) for word, span in zip(read.words, read.spans, strict=True) if span]
    schedule, learned = way.trajectory.schedule, way.trajectory.learned.prompts
    rows: list[Row] = []
    for i in sorted({int(share * schedule.steps) for share in SHARES}):
        pairs = ((way.up[i], source), (way.back[i], source.of(learned[i]) if learned else source))
        spans = [span for _, span in named]
        maps = [word_maps(backbone, x, schedule.timesteps[i], text, spans) for x, text in pairs]
        brightest = torch.maximum(*(m.amax((1, 2)) for m in maps))
        labels = (f"step {i}\nphotograph", f"step {i}\nreconstruction")
        rows += [Row(label, m, brightest) for label, m in zip(labels, maps, strict=True)]
    return draw([word for word, _ in named], rows)


def show(mirror: "Mirror", loud: Loudness) -> None:
    """Print the report: a table, one JSON object, or nothing."""
    if loud.json:
        print(json.dumps(mirror.as_dict()))
    if loud.silent:
        return
    from rich.console import Console
    from rich.table import Column, Table

    table = Table(Column("", no_wrap=True), *COLUMNS)
    table.add_row("VAE alone", f"{mirror.vae_psnr_db:.2f} dB\n{mirror.vae_ssim:.4f}", "", "", "none")
    for arm in mirror.arms:
        table.add_row(arm.name, *cells(arm))
    Console().print(table)


def cells(arm: "Figures") -> Sequence[str]:
    """A line of the table: PSNR and SSIM, mean and last displacement, and how many seeds were tried."""
    mean = sum(arm.displacement) / len(arm.displacement)
    return [
        f"{spelled(arm.psnr_db, 2, ' dB')}\n{spelled(arm.ssim, 4)}",
        f"{spelled(arm.psnr_to_vae_db, 2, ' dB')}\n{spelled(arm.ssim_to_vae, 4)}",
        f"mean {mean:.4f}\nlast {arm.displacement[-1]:.4f}",
        str(len(arm.seeds)) if arm.seeds else "none",
    ]


def spelled(figure: "Spread", digits: int, unit: str = "") -> str:
    """A figure with its deviation, if it has one."""
    if figure.mean is None:
        return "equal"
    deviation = f" ± {figure.deviation:.{digits}f}" if figure.deviation else ""
    return f"{figure.mean:.{digits}f}{deviation}{unit}"
