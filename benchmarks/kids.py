"""How far a method's edits are from photographs of what they are to show: feature-kid, of all of an entry's edits."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.markdown import lined
from zeroshift.bench.entries import Entry
from zeroshift.bench.items import Benchmark
from zeroshift.bench.resuming import file_of
from zeroshift.evaluation.imagenet import ImageNetJudge, Seen, feature_kid
from zeroshift.image import load_image

MOST = 200
"""photographs of an animal that are looked at, by items' names' hashes"""


def kids(
    judge: ImageNetJudge, benchmark: Benchmark, whole: Benchmark, entries: Sequence[Entry], out: Path
) -> list[str]:
    """A table in Markdown: a line per entry, a column per target of which ``whole`` has photographs.

    Nothing where there are not two edits into any; the distance of sets of one kind is 0 on average.
    """
    real = {target: photographs(judge, whole, target) for target in dict.fromkeys(i.target for i in benchmark.items)}
    real = {target: seen for target, seen in real.items() if len(seen.features) > 1}
    lines = []
    for entry in entries:
        found = {target: _kid(judge, benchmark, entry, out, target, seen) for target, seen in real.items()}
        if any(found.values()):
            lines.append([entry.name, *found.values()])
    return lined(("", *(f"feature-kid to a {target}" for target in real)), lines) if lines else []


def photographs(judge: ImageNetJudge, whole: Benchmark, animal: str) -> Seen:
    """What the network sees in photographs of an animal: those that are to be turned into something else."""
    every = whole.drawn(len(whole.items)).items
    files = list(dict.fromkeys(item.picture for item in every if item.source == animal))
    return judge.look([load_image(path).image for path in files[:MOST]])


def _kid(judge: ImageNetJudge, benchmark: Benchmark, entry: Entry, out: Path, target: str, real: Seen) -> str:
    files = [file_of(out, entry, item) for item in benchmark.items if item.target == target]
    edits = [load_image(path).image for path in files if path.is_file()]
    return f"{feature_kid(judge.look(edits), real):.3f} ({len(edits)})" if len(edits) > 1 else ""
