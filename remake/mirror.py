"""The mirror report of ``examples/cat.png``: its table, and the figure of attention maps."""

import json
from collections.abc import Mapping
from typing import Any

from remake.asked import command
from remake.pages import put
from remake.place import Job, Jobs, Place
from zeroshift.files import write_atomically

FIGURE = "docs/methods/mirror-diffusion-attention.png"
WORDS = ("--source", "cat", "--fit", "pad", "--method", "mirror-diffusion", "--threads", "1", "--quiet")
NAMES = {"ddim": "DDIM", "regularised": "pix2pix-zero's"}
"""what the page calls the report's inversions"""
HEADER = (
    "| | PSNR to the photograph, dB | PSNR to the VAE's, dB | SSIM to the VAE's | displacement, mean, last |\n"
    "|---|---|---|---|---|"
)


def jobs() -> Jobs:
    return [Job("mirror", make)]


def make(place: Place) -> str:
    """Run ``zeroshift invert --report`` and take its figure and its figures."""
    folder = place.work / "mirror"
    photograph = str(place.root / "examples/cat.png")
    command(["invert", photograph, *WORDS, "--report", str(folder), "--overwrite", *place.of_model, *place.words])
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    written = put(place.root, {"mirror": table(report)})
    write_atomically(place.root / FIGURE, (folder / "attention.png").read_bytes())
    return f"{FIGURE}, {written}"


def table(report: Mapping[str, Any]) -> str:
    """The report as a table."""
    rows = [f"| VAE alone | {report['vae_psnr_db']:.2f} | | | |"]
    for arm in report["arms"]:
        moved = arm["displacement"]
        mean = f"{sum(moved) / len(moved):.4f}, {moved[-1]:.4f}"
        cells = [spread(arm["psnr_db"], 2), spread(arm["psnr_to_vae_db"], 2), spread(arm["ssim_to_vae"], 4), mean]
        rows.append(f"| {NAMES.get(arm['name'], arm['name'])} | {' | '.join(cells)} |")
    return "\n".join([HEADER, *rows])


def spread(figure: Mapping[str, float | None], digits: int) -> str:
    """A figure, with its deviation where that shows."""
    mean, deviation = figure["mean"], f"{figure['deviation']:.{digits}f}"
    if mean is None:
        return "equal"
    return f"{mean:.{digits}f}{f' ± {deviation}' if float(deviation) else ''}"
