"""What the fast way of each method changes: ``python -m benchmarks.fast PICTURES SOURCE TARGET [OPTIONS]``.

PICTURES is a folder of photographs of SOURCE; both are animals that the ImageNet network knows (cat, dog, lion, tiger,
cheetah). Every picture is edited twice. Prints of every method CPU seconds of both ways, success, decibels to the
photograph and how much of its structure is lost (``feature-structure``), with the paired difference, fast less exact,
and its 95 % interval; of structure as a share of the exact way's mean. With ``--extras deep-cache`` the fast way is
the method's usual one with these extras. Needs zeroshift[eval].
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
from zeroshift.evaluation.features import feature_structure
from zeroshift.evaluation.imagenet import ImageNetJudge, as_bytes, open_judge, success
from zeroshift.evaluation.pixels import psnr


def edited(editor: zeroshift.Editor, pictures: Sequence[Path], spec: EditSpec) -> tuple[list[Image.Image], float]:
    """The edit of every picture, and the CPU seconds that one took."""
    begun = time.process_time()
    edits = [result.image for result in editor.edit(list(pictures), spec)]
    return edits, (time.process_time() - begun) / len(pictures)


def line(
    editor: zeroshift.Editor, judge: ImageNetJudge, pictures: Sequence[Path], ways: Sequence[EditSpec], source: str
) -> str:
    """A row of the table: two ways, the usual one and the fast one."""
    photographs = [Image.open(path).convert("RGB") for path in pictures]
    before, sources = judge.look(photographs), torch.cat([as_bytes(one) for one in photographs])
    reached, near, lost = list[list[float]](), list[list[float]](), list[list[float]]()
    seconds, cells = list[str](), list[str]()
    for way in ways:
        edits, took = edited(editor, pictures, way)
        after = torch.cat([as_bytes(one) for one in edits])
        reached.append(success(before, judge.look(edits), source, way.target).tolist())
        near.append(psnr(sources, after).tolist())
        lost.append(feature_structure(judge, sources, after).tolist())
        seconds.append(f"{took:.1f}")
    share = 100 / mean_of(lost[0]).value
    for (exact, quick), unit in ((reached, 100), (near, 1), (lost, share)):
        apart = difference(quick, exact).mean
        means = [mean_of(values).value * unit for values in (exact, quick)]
        bounds = [value * unit for value in (apart.value, apart.low, apart.high)]
        cells.append(" → ".join(f"{mean:.1f}" for mean in means))
        cells.append("{:+.1f} ({:+.1f} to {:+.1f})".format(*bounds))
    return f"| {' | '.join([ways[0].method, ' → '.join(seconds), *cells])} |"


def usual_and_fast(spec: EditSpec, extras: Sequence[str]) -> tuple[EditSpec, EditSpec]:
    """A method's usual way, and the fast one or the usual one with ``extras``."""
    options = {"extras": [{"kind": kind} for kind in extras]}
    return spec, spec.model_copy(update={"options": options} if extras else {"fast": True})


def main(words: Sequence[str] | None = None) -> None:
    """Print the table of a folder."""
    asked = by_methods("fast")
    asked.add_argument("--extras", nargs="+", default=[], metavar="NAME", help="what is measured in place of fast")
    given = asked.parse_args(words)
    editor, judge, pictures = zeroshift.load(given.model), open_judge(), sorted(given.pictures.iterdir())
    print(f"{len(pictures)} pictures, {given.source} to {given.target}, exact → {' '.join(given.extras) or 'fast'}")
    print("| method | CPU seconds | success, % | difference | PSNR, dB | difference | structure lost, % | difference |")
    print("|---|---|---|---|---|---|---|---|")
    for name in given.methods:
        spec = EditSpec(source=given.source, target=given.target, method=name, fit="stretch")
        print(line(editor, judge, pictures, usual_and_fast(spec, given.extras), given.source), flush=True)


if __name__ == "__main__":
    main()
