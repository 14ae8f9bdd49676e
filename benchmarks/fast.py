"""What the fast way of each method changes: ``python -m benchmarks.fast PETS [OPTIONS]``.

Every photograph of PETS (``benchmarks.animals``) is edited twice, without a mask. Prints of every method CPU seconds of
both ways, success and how many edits succeed in one way alone, decibels to the photograph, and paired differences, fast
less exact: of success with the lower 95 % bound by Tango's score, of decibels and of lost structure
(``feature-structure``, as a share of the exact way's mean) with the bootstrap's 95 % interval. With ``--extras
deep-cache`` the fast way is the method's usual one with these extras. ``--cost`` prints instead what ``fast`` stands
for and how many passes of the network it takes at the size of Stable Diffusion 1.5. Needs zeroshift[eval].
"""

import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

import zeroshift
from benchmarks.animals import Way, opened, parser, pooled
from benchmarks.markdown import head, row
from zeroshift import EditSpec
from zeroshift.bench.statistics import Mean, difference, mean_of, paired_interval, share_of
from zeroshift.cost.estimate import measure
from zeroshift.evaluation.features import feature_structure
from zeroshift.evaluation.imagenet import as_bytes, success
from zeroshift.evaluation.pixels import psnr
from zeroshift.methods.fast import FAST

ONE_SIDED = 0.9
"""level of the two-sided interval whose lower end is the lower 95 % bound"""
COLUMNS = (
    "method",
    "photographs",
    "CPU seconds",
    "success, %",
    "alone: exact, fast",
    "difference, points (at least)",
    "PSNR, dB",
    "difference, dB",
    "structure lost",
)


def figures(editor: zeroshift.Editor, way: Way, spec: EditSpec) -> list[list[float]]:
    """Of every photograph CPU seconds, success, decibels and lost structure."""
    begun = time.process_time()
    edits = [result.image for result in editor.edit(way.files, spec)]
    seconds = (time.process_time() - begun) / len(edits)
    sources, after = (torch.cat([as_bytes(one) for one in pictures]) for pictures in (way.photographs, edits))
    reached = success(way.before, way.judge.look(edits), way.source, way.target)
    columns = (reached, psnr(sources, after), feature_structure(way.judge, sources, after))
    return [[seconds, *values] for values in zip(*(column.tolist() for column in columns), strict=True)]


def line(method: str, photographs: str, exact: NDArray[np.float64], quick: NDArray[np.float64]) -> str:
    """A row of the table, of figures (photographs, 4) of both ways."""
    (took, reached, near, lost), (quicker, kept, nearer, less) = exact.T, quick.T
    apart, changed = difference(nearer, near).mean, difference(less, lost).mean
    share = 100 / mean_of(lost).value
    return row(
        [
            method,
            photographs,
            f"{took.mean():.1f} → {quicker.mean():.1f}",
            f"{100 * share_of(reached).value:.1f} → {100 * share_of(kept).value:.1f}",
            *successes(kept, reached),
            f"{near.mean():.1f} → {nearer.mean():.1f}",
            with_ends(apart),
            with_ends(changed, share, " %"),
        ]
    )


def with_ends(one: Mean, unit: float = 1, sign: str = "") -> str:
    """A mean with the ends of its interval, where it has one."""
    ends = "" if np.isnan(one.low) else f" ({unit * one.low:+.1f} to {unit * one.high:+.1f})"
    return f"{unit * one.value:+.1f}{sign}{ends}"


def successes(one: NDArray[np.float64], other: NDArray[np.float64]) -> tuple[str, str]:
    """How many edits succeed the other way alone, and this way alone; and the difference with its lower bound."""
    both = [(bool(a), bool(b)) for a, b in zip(one, other, strict=True) if not np.isnan(a + b)]
    if not both:
        return "", ""
    won, lost = (sum(pair == alone for pair in both) for alone in ((True, False), (False, True)))
    low, _ = paired_interval([a for a, _ in both], [b for _, b in both], ONE_SIDED)
    return f"{lost}, {won} of {len(both)}", f"{100 * (won - lost) / len(both):+.1f} ({100 * low:+.1f})"


def usual_and_fast(way: Way, method: str, extras: Sequence[str]) -> tuple[EditSpec, EditSpec]:
    """A method's usual way, and the fast one or the usual one with ``extras``."""
    spec = EditSpec(source=way.source, target=way.target, method=method, fit="stretch", restore=False)
    options = {"extras": [{"kind": kind} for kind in extras]}
    return spec, spec.model_copy(update={"options": options} if extras else {"fast": True})


def costs(methods: Sequence[str]) -> Iterator[str]:
    """Yield the table of what ``fast`` stands for, with passes of the network for a first edit."""
    yield head(("method", "`--fast` stands for", "SF at Stable Diffusion 1.5, 512 px", "without"))
    for name in methods:
        spec = EditSpec(source="cat", target="dog", method=name, restore=False)
        quick, usual = (measure(one.bare_method) for one in (spec.model_copy(update={"fast": True}), spec))
        cells = [name, f"`{' '.join(flags(FAST[name]))}`"]
        yield row([*cells, *(f"{one.first_edit_sf:.0f}" for one in (quick, usual))])


def flags(options: Mapping[str, object]) -> Iterator[str]:
    """Nested options as they are written on the command line."""
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from flags(value)
        elif value is not None:
            kinds = [part["kind"] for part in value] if isinstance(value, tuple) else [value]
            yield f"--{name.replace('_', '-')} {' '.join(map(str, kinds))}"


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    asked = parser("fast", "bench-val")
    asked.add_argument("--extras", nargs="+", default=[], metavar="NAME", help="what is measured in place of fast")
    asked.add_argument("--cost", action="store_true", help="passes of the network alone; no photograph is read")
    given = asked.parse_args(words)
    if given.cost:
        for text in costs(given.methods):
            print(text, flush=True)
        return
    editor, ways = opened(given)
    print(f"{given.split}, exact → {' '.join(given.extras) or 'fast'}\n{head(COLUMNS)}")
    for name in given.methods:
        made = list[list[list[list[float]]]]()
        for way in ways:
            specs = usual_and_fast(way, name, given.extras)
            editor.edit(way.files[0], specs[1])  # what is made once, such as a direction, is in neither's seconds
            made.append([figures(editor, way, spec) for spec in specs])
        exact, quick = (pooled(ways, [own[n] for own in made]) for n in (0, 1))
        for (photographs, one), (_, other) in zip(exact, quick, strict=True):
            print(line(name, photographs, one, other), flush=True)


if __name__ == "__main__":
    main()
