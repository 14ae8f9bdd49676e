"""What an edit takes of memory.

    python -m benchmarks.memory             counts it by method and by `memory`, on shapes (ten minutes)
    python -m benchmarks.memory --measure   measures processes that edit, with random weights on the CPU (an hour)

Both write their table into docs/memory.md.
"""

import argparse
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image

from benchmarks.sizes import MODELS, filled, in_precision
from zeroshift.backbones.saving import Saving
from zeroshift.conditioning.shift import EditDirection
from zeroshift.diffusion.backbone import Backbone
from zeroshift.editor import Editor
from zeroshift.memory.need import need
from zeroshift.methods import METHODS, Method, Pix2PixZero
from zeroshift.presets import build_method

PAGE = Path(__file__).parent.parent / "docs/memory.md"
COUNTED = (("sd15", "fp32"), ("sd15", "fp16"), ("sdxl", "fp16"))
TITLES = {"sd15": "SD 1.5", "sdxl": "SDXL"}
MEASURED = [(precision, memory) for precision in ("fp32", "bf16") for memory in ("high", "low")]
STEPS = 2


def main() -> None:
    """Make a table and write it into the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description="What an edit takes of memory.")
    parser.add_argument("--measure", action="store_true", help="measure processes instead of counting")
    parser.add_argument("--run", nargs=2, metavar=("PRECISION", "MEMORY"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        measured(*given.run)
    elif given.measure:
        write("measured", [*measured_lines()])
    else:
        write("counted", [*counted_lines()])


def counted_lines() -> Iterator[str]:
    """The table by method, in 10^9 bytes beside the weights: nothing saved, and memory saved."""
    networks = [in_precision(MODELS[name](), precision) for name, precision in COUNTED]
    yield f"| method | {' | '.join(f'{TITLES[name]}, {precision}' for name, precision in COUNTED)} |"
    yield f"|---|{'---|' * len(COUNTED)}"
    for kind in METHODS:
        cells = []
        for backbone in networks:
            cells.append(
                " / ".join(counted(backbone, build_method(kind.name), saving=saving) for saving in (False, True))
            )
        yield f"| {kind.name} | {' | '.join(cells)} |"


def counted(backbone: Backbone, method: Method, *, saving: bool) -> str:
    """What one picture takes; a dash where the model cannot do the method."""
    try:
        return f"{need(backbone, [method], (backbone.size, backbone.size), saving=saving) / 1e9:.1f}"
    except ValueError:
        return "–"


def measured_lines() -> Iterator[str]:
    """The largest resident memory of a process that edits one picture at Stable Diffusion 1.5's size, in two steps."""
    yield "| precision | `memory` | peak of the process | of it before the edit |"
    yield "|---|---|---|---|"
    for precision, memory in MEASURED:
        command = [sys.executable, "-m", "benchmarks.memory", "--run", precision, memory]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        before, peak = map(float, done.stdout.split()[-2:])
        yield f"| {precision} | {memory} | {peak:.1f} | {before:.1f} |"


def measured(precision: str, memory: str) -> None:
    """Edit a picture; print resident bytes before and at the peak, in 10^9."""
    device = torch.device("cpu")
    backbone = filled(MODELS["sd15"](), precision, device, Saving("low" if memory == "low" else "high"))
    before = resident()
    method = Pix2PixZero(steps=STEPS, conditioning=EditDirection(sentences=2))
    Editor(backbone, {}).edit(Image.new("RGB", (512, 512), "grey"), "cat", "dog", method=method)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(before / 1e9, peak / 1e9)


def resident() -> int:
    """Bytes of this process that lie in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def write(name: str, lines: list[str]) -> None:
    """Put a table between its marks."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    PAGE.write_text("\n".join([before + begin, *lines, end]) + rest.partition(end)[2], encoding="utf-8")


if __name__ == "__main__":
    main()
