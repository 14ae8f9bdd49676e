"""What the fast way of each method changes: ``python -m benchmarks.fast PICTURES SOURCE TARGET [OPTIONS]``.

PICTURES is a folder of photographs of SOURCE; both are animals that the ImageNet network knows (cat, dog, lion, tiger,
cheetah). Every picture is edited twice. Prints of every method CPU seconds of both ways, success and decibels to the
photograph, with the paired difference, fast less exact, and its 95 % interval. Needs zeroshift[eval].
"""

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image

import zeroshift
from benchmarks.animals import by_methods
from zeroshift import EditSpec
from zeroshift.bench.statistics import difference, mean_of
from zeroshift.evaluation.imagenet import ImageNetJudge, as_bytes, open_judge, success
from zeroshift.evaluation.pixels import psnr


def edited(editor: zeroshift.Editor, pictures: Sequence[Path], spec: EditSpec) -> tuple[list[Image.Image], float]:
    """The edit of every picture, and the CPU seconds that one took."""
    begun = time.process_time()
    edits = [result.image for result in editor.edit(list(pictures), spec)]
    return edits, (time.process_time() - begun) / len(pictures)


def line(editor: zeroshift.Editor, judge: ImageNetJudge, pictures: Sequence[Path], spec: EditSpec, source: str) -> str:
    """A row of the table."""
    photographs = [Image.open(path).convert("RGB") for path in pictures]
    before, sources = judge.look(photographs), torch.cat([as_bytes(one) for one in photographs])
    reached, near, seconds, cells = [], [], [], list[str]()
    for fast in (False, True):
        way = spec.model_copy(update={"fast": fast})
        edits, took = edited(editor, pictures, way)
        reached.append(success(before, judge.look(edits), source, spec.target).tolist())
        near.append(psnr(sources, torch.cat([as_bytes(one) for one in edits])).tolist())
        seconds.append(f"{took:.1f}")
    for exact, quick, unit in ((*reached, 100), (*near, 1)):
        apart = difference(quick, exact).mean
        means = [mean_of(values).value * unit for values in (exact, quick)]
        bounds = [value * unit for value in (apart.value, apart.low, apart.high)]
        cells.append(" → ".join(f"{mean:.1f}" for mean in means))
        cells.append("{:+.1f} ({:+.1f} to {:+.1f})".format(*bounds))
    return f"| {' | '.join([spec.method, ' → '.join(seconds), *cells])} |"


def main(words: Sequence[str] | None = None) -> None:
    """Print the table of a folder."""
    given = by_methods("fast", words)
    editor, judge, pictures = zeroshift.load(given.model), open_judge(), sorted(given.pictures.iterdir())
    print(f"{len(pictures)} pictures, {given.source} to {given.target}, exact → fast")
    print("| method | CPU seconds | success, % | difference | PSNR, dB | difference |\n|---|---|---|---|---|---|")
    for name in given.methods:
        spec = EditSpec(source=given.source, target=given.target, method=name, fit="stretch")
        print(line(editor, judge, pictures, spec, given.source), flush=True)


if __name__ == "__main__":
    main()
