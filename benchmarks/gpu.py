"""What pix2pix-zero takes on one GPU: seconds, memory, where the time goes; beside diffusers' own pipeline.

    python -m benchmarks.gpu OUT.json [--seconds 450] [--steps 20] [--tiny]

Stable Diffusion 1.5 at 512 x 512 and XL at 1024 x 1024 in full size with random weights, so nothing is downloaded.
Cases run in the order of their worth until the time is up: none is begun that is not thought to fit, and one that is
not done then is stopped after its step. What was not reached, or failed, stands in the file with its reason. The file
is written after every case, so that what was measured stays where the script is killed. With ``--tiny`` a model of the
shipped one's size runs on the CPU instead, to see that the script works.
"""

import argparse
import gc
import itertools
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from PIL import Image
from torch.profiler import ProfilerActivity, profile

from benchmarks.pipeline import edit as pipeline_edit
from benchmarks.setting import TASK, Setting
from benchmarks.sizes import MODELS, Model, filled
from zeroshift.asked.request import Request
from zeroshift.backbones.checkpoint import find_checkpoint
from zeroshift.backbones.compiling import compile_parts
from zeroshift.backbones.outline import outline_of
from zeroshift.backbones.saving import Saving
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.conditioning.direction import Direction
from zeroshift.conditioning.shift import EditDirection
from zeroshift.editor import Editor
from zeroshift.files import write_atomically
from zeroshift.image import Photo
from zeroshift.image.tensors import to_tensor
from zeroshift.inversion.base import finished
from zeroshift.methods import Pix2PixZero

WARM_UP = 2
"""steps of the edit that comes first: it finds kernels, and compiles"""
KERNELS = 12
"""of which the profile tells, those that take longest first"""
COMPILING = 60.0
"""seconds that a compiled case is thought to take more than the others of its model"""


@dataclass(frozen=True)
class Case:
    """One thing that is measured."""

    model: str
    precision: str
    way: str = "plain"
    """plain, channels_last, compiled, both, low (memory is saved), two (pictures together) or diffusers"""


CASES = (
    Case("sd15", "fp16"),
    Case("sd15", "fp16", "diffusers"),
    Case("sd15", "fp16", "low"),
    Case("sdxl", "fp16"),
    Case("sd15", "fp16", "channels_last"),
    Case("sd15", "fp16", "compiled"),
    Case("sd15", "fp16", "both"),
    Case("sd15", "bf16"),
    Case("sdxl", "fp16", "low"),
    Case("sd15", "fp16", "two"),
    Case("sdxl", "bf16"),
    Case("sdxl", "fp16", "both"),
    Case("sd15", "fp32"),
)
COMPILED = ("compiled", "both")
TINY = tuple(Case("tiny", "fp32", way) for way in ("plain", "diffusers", "low", "channels_last", "two"))


def outline_of_tiny() -> Model:
    """A model of the shipped one's size, without weights."""
    found = outline_of(find_checkpoint(None, None, None))
    assert isinstance(found, StableDiffusion)
    return found


def main() -> None:
    """Measure all cases and write one JSON file.

    Raises:
        SystemExit: there is no CUDA device, and ``--tiny`` was not asked for.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description="What an edit takes on one GPU.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=450, help="after which a case stops and none is begun")
    parser.add_argument("--steps", type=int, default=20, help="sampling steps of an edit")
    parser.add_argument("--tiny", action="store_true", help="a small model on the CPU, which tells nothing of a GPU")
    given = parser.parse_args()
    if not given.tiny and not torch.cuda.is_available():
        raise SystemExit("There is no CUDA device here; --tiny shows on the CPU that the script works.")
    device = torch.device("cpu" if given.tiny else "cuda")
    called = "CPU" if given.tiny else torch.cuda.get_device_name(device)
    facts = {"device": called, "torch": torch.__version__, "steps": given.steps}
    cases, models = (TINY, {"tiny": outline_of_tiny}) if given.tiny else (CASES, MODELS)
    write_each(given.out, facts, measured_all(cases, models, device, given.steps, given.seconds))


def write_each(out: Path, facts: Mapping[str, object], found: Iterable[Mapping[str, object]]) -> None:
    """Write the file before the first case, so that a place that cannot be written is known then, and after each."""
    cases = list[Mapping[str, object]]()
    for told in itertools.chain([None], found):
        cases += [] if told is None else [told]
        write_atomically(out, (json.dumps({**facts, "cases": cases}, indent=2) + "\n").encode())


def measured_all(
    cases: Sequence[Case], models: Mapping[str, Callable[[], Model]], device: torch.device, steps: int, seconds: float
) -> Iterator[dict[str, object]]:
    """Measure one case after another for at most ``seconds``; what went wrong is told in its place.

    A case is thought to take as long as the longest before it of its model that was not compiled.
    """
    end, took = time.perf_counter() + seconds, dict[str, float]()
    for case in cases:
        told: dict[str, object] = asdict(case)
        begun = time.perf_counter()
        if begun + took.get(case.model, 0.0) + (COMPILING if case.way in COMPILED else 0.0) > end:
            yield {**told, "why_not": "no time was left"}
            continue
        try:
            told |= measured(case, models[case.model], device, steps, end)
        except (RuntimeError, ValueError) as error:  # no memory, no kernel, no numbers: the other cases still count
            told["why_not"] = str(error).partition("\n")[0]
        told["all_seconds"] = whole = time.perf_counter() - begun
        if case.way not in COMPILED:
            took[case.model] = max(took.get(case.model, 0.0), whole)
        print(json.dumps(told), flush=True)
        yield told
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()


def measured(
    case: Case, outline: Callable[[], Model], device: torch.device, steps: int, end: float
) -> dict[str, object]:
    """Edit once to warm up and once to measure: seconds by stage, and the fullest moment of the device in bytes.

    Raises:
        RuntimeError: the clock says ``end`` before it is done.
    """
    saves = case.way == "low"
    saving = Saving("low" if saves else "high", device if saves and device.type != "cpu" else None)
    backbone = filled(outline(), case.precision, device, saving)
    if case.way in ("channels_last", "both"):
        backbone.unet.to(memory_format=torch.channels_last)
    if case.way in COMPILED:
        compile_parts(backbone.unet)
    bare = by_diffusers(backbone) if case.way == "diffusers" else by_us(backbone, 2 if case.way == "two" else 1)
    run = until(end, bare)
    weights = sum(x.nbytes for network in backbone.networks for x in network.parameters())
    warm = timed(lambda: run(WARM_UP), device)[0]
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    seconds, stages = timed(lambda: run(steps), device)
    told: dict[str, object] = {"weights_bytes": weights, "first_seconds": warm, "seconds": seconds, "stages": stages}
    if device.type == "cuda":
        told |= {"peak_bytes": torch.cuda.max_memory_allocated(device), "kernels": kernels(lambda: bare(WARM_UP))}
    return told


def until(end: float, run: Callable[[int], Iterator[str]]) -> Callable[[int], Iterator[str]]:
    """The same run, stopped by an error one step after that in which the clock says ``end``; a whole one is kept."""

    def stopping(steps: int) -> Iterator[str]:
        late = False
        for stage in run(steps):
            if late:
                raise RuntimeError("no time was left for the rest of it")
            yield stage
            late = time.perf_counter() > end

    return stopping


def timed(run: Callable[[], Iterator[str]], device: torch.device) -> tuple[float, dict[str, float]]:
    """Seconds of a run in all and by the stages whose names it yields as they end."""
    wait: Callable[[], None] = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    wait()
    stages: dict[str, float] = {}
    begun = last = time.perf_counter()
    for stage in run():
        wait()
        now = time.perf_counter()
        stages[stage] = stages.get(stage, 0.0) + now - last
        last = now
    return last - begun, stages


def by_us(backbone: Model, count: int) -> Callable[[int], Iterator[str]]:
    """What edits ``count`` pictures by zeroshift in a number of steps, and yields the name of each step's stage.

    The first step's time has the encoder's in it, the last one's the decoder's.
    """
    editor, pictures = Editor(backbone, {}), [Photo.of(grey(backbone))] * count

    def run(steps: int) -> Iterator[str]:
        method = Pix2PixZero(steps=steps, conditioning=EditDirection(sentences=2))
        for step in editor.run(pictures, [Request(TASK, method)], seeds=[*range(count)]):
            yield step.stage

    return run


def by_diffusers(backbone: Model) -> Callable[[int], Iterator[str]]:
    """What edits by diffusers' pipeline as it comes, where every weight asks for its gradient."""
    assert isinstance(backbone, StableDiffusion)  # diffusers has pix2pix-zero for no other
    nowhere = Direction(torch.zeros_like(backbone.embed([""]).tokens), {})
    at = Setting(backbone, to_tensor([grey(backbone)]), nowhere)

    def run(steps: int) -> Iterator[str]:
        finished(pipeline_edit(at, steps))
        yield "edit"

    return run


def grey(backbone: Model) -> Image.Image:
    """A picture of the model's size."""
    return Image.new("RGB", (backbone.size, backbone.size), "grey")


def kernels(run: Callable[[], Iterator[str]]) -> list[dict[str, object]]:
    """Which operations take most of the device's time in a short edit."""
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        for _ in run():
            pass
    events = sorted(seen.key_averages(), key=lambda event: -event.self_device_time_total)[:KERNELS]
    every = sum(event.self_device_time_total for event in seen.key_averages())
    return [
        {"name": event.key, "calls": event.count, "share": event.self_device_time_total / max(every, 1)}
        for event in events
    ]


if __name__ == "__main__":
    main()
