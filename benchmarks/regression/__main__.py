"""See that the shipped model's edits are as they were: ``python -m benchmarks.regression [--record]``.

Seven small pictures are turned into the other animal by four methods at 20 steps, in about a minute on one
core. It fails when fewer edits succeed than were recorded, less one, or when a mean of structure, features or error is
further from the recorded one than a margin (``expected.MARGINS``). Margins were chosen by hand; they are no
confidence intervals, and a smaller change goes unnoticed.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import torch

import zeroshift
from benchmarks.regression.expected import Interval, faults, intervals
from zeroshift.bench.entries import Entry
from zeroshift.bench.items import Benchmark, Item
from zeroshift.bench.judging import Judges
from zeroshift.bench.running import run
from zeroshift.bench.scoring import score
from zeroshift.bench.summary import summaries
from zeroshift.cli.shared import hush_libraries
from zeroshift.evaluation.imagenet import open_judge

FOLDER = Path(__file__).parent
EXPECTED = FOLDER / "expected.json"
METHODS = ("sdedit", "prompt-to-prompt", "plug-and-play", "pix2pix-zero")
STEPS = 20
OTHER = {"cat": "dog", "dog": "cat", "chelsea": "dog"}


def items() -> Benchmark:
    """The pictures of this folder, each to become the other animal."""
    found = []
    for path in sorted(FOLDER.glob("*.webp")):
        target = OTHER[path.stem.partition("-")[0]]
        source = "cat" if target == "dog" else "dog"
        prompts = (f"a photo of a {source}", f"a photo of a {target}")
        found.append(Item(path.stem, path, source, target, *prompts, "animals"))
    return Benchmark("regression", tuple(found), root=FOLDER)


def measured() -> dict[str, dict[str, float]]:
    """Every method's means, by figure; how many of the items that count succeed."""
    torch.set_num_threads(1)
    hush_libraries()
    entries = [Entry(name, name, {"steps": STEPS}) for name in METHODS]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        for step in run(zeroshift.load(device="cpu"), items(), entries, out):
            if step.made.error:
                raise SystemExit(f"{step.made.entry} of {step.made.item} failed: {step.made.error}")
        folders = [out / entry.name for entry in entries]
        rows = [row for _, _, row in score(Judges(imagenet=open_judge()), items(), folders, out / "scores.jsonl")]
    return {one.entry: {name: mean.value for name, mean in one.means.items() if mean.count} for one in summaries(rows)}


def main() -> None:
    """Compare with what was recorded, or record."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.regression", description="See that edits are as they were."
    )
    parser.add_argument("--record", action="store_true", help="write what is measured to expected.json")
    record, found = parser.parse_args().record, measured()
    for entry, means in found.items():
        print(entry, ", ".join(f"{name} {means[name]:.4f}" for name in intervals(found)[entry]))
    if record:
        EXPECTED.write_text(json.dumps(intervals(found), indent=1) + "\n", encoding="utf-8")
        return
    expected: dict[str, dict[str, Interval]] = json.loads(EXPECTED.read_text(encoding="utf-8"))
    wrong = faults(found, expected)
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
