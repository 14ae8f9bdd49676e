"""``zeroshift bench``: ``score`` and ``report``."""

import json
import sys
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from cyclopts import Parameter
from cyclopts.validators import Number

from zeroshift.cli.output import check_apart, check_writable
from zeroshift.cli.quality import follow
from zeroshift.cli.shared import DEFAULT_LOUDNESS, MODEL, OUTPUT, Loudness, Text, hush_libraries
from zeroshift.cli.typed import as_typed
from zeroshift.cli.wrong import Wrong, as_flags, usage
from zeroshift.files import write_atomically
from zeroshift.grammar import number_of
from zeroshift.sentences import printable

if TYPE_CHECKING:
    from zeroshift.bench.items import Benchmark
    from zeroshift.bench.judging import Judges
    from zeroshift.bench.scoring import Scored
    from zeroshift.running.walking import Progress

ROWS = "scores.jsonl"
"""where scores are kept, beside the table"""
Folder: TypeAlias = Annotated[
    Path,
    Parameter(help="folder of PIE-Bench, of Plug-and-Play's TI2I, of tasks such as cat2dog, or with an items.json"),
]
Count: TypeAlias = Annotated[
    int | None,
    Parameter(help="items of each task, by their names' hashes [default all]", metavar="N", validator=Number(gte=1)),
]
Tasks: TypeAlias = Annotated[
    tuple[Text, ...], Parameter(name="--task", help="only items of this task; may be given again", show_default=False)
]


@Parameter(name="*", group=MODEL)
@dataclass(frozen=True, kw_only=True)
class Networks:
    """What scores beside the networks that come with the package."""

    clip: Annotated[
        Text | None, Parameter(help="folder or hub id of a CLIP; published: openai/clip-vit-large-patch14")
    ] = None
    dino: Annotated[
        Text | None, Parameter(help="folder or hub id of DINO's ViT-B/8; published: facebook/dino-vitb8")
    ] = None
    lpips: Annotated[Path | None, Parameter(help="torchvision's weights of --lpips-network (.pth, .safetensors)")] = (
        None
    )
    lpips_network: Annotated[Literal["squeeze", "alex", "vgg"], Parameter(help="of LPIPS; PIE-Bench's is squeeze")] = (
        "squeeze"
    )

    def judges(self, mode: Literal["paper", "corrected"]) -> "Judges":
        """Load them.

        Raises:
            ValueError: one cannot be loaded.
        """
        from zeroshift.bench.judging import open_judges

        hush_libraries()
        return open_judges(mode, clip_model=self.clip, dino=self.dino, lpips=self.lpips, trunk=self.lpips_network)


DEFAULT_NETWORKS = Networks()


def items_of(root: Path, tasks: Sequence[str], count: int | None) -> "Benchmark":
    """A benchmark's items of some tasks, or some of every task.

    Raises:
        Wrong: there is no such task.
        ValueError: the folder is no benchmark.
    """
    from zeroshift.bench.published_folders import open_benchmark

    found = open_benchmark(root)
    with usage():
        found = found.of_tasks(tasks) if tasks else found
    return found if count is None else found.drawn(count)


def score(
    benchmark: Annotated[Path, Parameter(help="folder of the benchmark, or of photographs that were all edited alike")],
    edits: Annotated[Path, Parameter(help="folder of edited pictures, or one with such a folder per entry")],
    /,
    *,
    source: Annotated[Text | None, Parameter(help="what photographs of no benchmark show")] = None,
    target: Annotated[Text | None, Parameter(help="what their edits shall show")] = None,
    task: Tasks = (),
    count: Count = None,
    mode: Annotated[
        Literal["paper", "corrected"], Parameter(help="paper scores as published evaluators do, quirks and all")
    ] = "corrected",
    networks: Networks = DEFAULT_NETWORKS,
    output: Annotated[
        Path | None,
        Parameter(name=["--output", "-o"], group=OUTPUT, help="table to write [default items.csv in EDITS]"),
    ] = None,
    parquet: Annotated[Path | None, Parameter(group=OUTPUT, help="the same table as Parquet")] = None,
    loud: Loudness = DEFAULT_LOUDNESS,
) -> None:
    """Score edits, whoever made them: files that are called as the benchmark's items or pictures are.

    Scores are kept beside the edits; only new pictures are scored. Without --clip, --dino and --lpips no published
    figures are made but those of pixels; the others have names of their own.
    """
    from zeroshift.bench.matching import matched, sentences_about
    from zeroshift.bench.provenance import write_provenance
    from zeroshift.bench.scoring import entries_in
    from zeroshift.bench.scoring import score as scores
    from zeroshift.bench.table import check_parquet, write_csv, write_parquet

    table, folders = output or edits / "items.csv", entries_in(edits)
    check_writable(table, ".csv")
    if parquet is not None:
        check_writable(parquet, ".parquet")
        check_parquet()
    found = _pairs(benchmark, source, target) if source or target else items_of(benchmark, task, count)
    left, broken = matched(found, folders), list[str]()
    for sentence in [] if loud.silent else sentences_about(left, edits):
        print("zeroshift: warning:", printable(as_flags(sentence)), file=sys.stderr)
    if not left.edits:
        raise ValueError(
            f"No file in {edits} is called like an item of {found.name}, such as {found.items[0].name}.png."
        )
    judges = networks.judges(mode)
    rows = follow(_rows(scores(judges, found, folders, table.with_name(ROWS), broken)), loud.silent)
    if rows:
        write_csv(rows, table)
        write_provenance(table, edits, found, judges, as_typed())
        if parquet is not None:
            write_parquet(rows, parquet)
    names = {"unknown": left.unknown, "shared": left.shared}
    facts = {"table": str(table), "edits": len(rows), "items": len(found.items), "judges": judges.names}
    facts |= {kind: [str(path) for path in paths] for kind, paths in names.items()}
    facts |= {"missing": left.missing, "broken": broken}
    print(json.dumps(facts) if loud.json else f"{table}: {number_of(len(rows), 'edit')} scored")
    if rows and not loud.silent:
        _print_means(rows)
    for sentence in [] if loud.json else broken:
        print("zeroshift: failed:", printable(sentence), file=sys.stderr)
    if broken:
        raise ValueError(
            f"{len(broken)} of {number_of(len(left.edits), 'edit')} could not be scored; mend the pictures."
        )


def _pairs(photographs: Path, source: str | None, target: str | None) -> "Benchmark":
    if not source or not target:
        raise Wrong("Photographs of no benchmark need both --source and --target, the words of their edit.")
    from zeroshift.bench.published_folders import pairs

    return pairs(photographs, source, target)


def _rows(steps: "Iterator[tuple[int, int, Scored]]") -> "Generator[Progress, None, list[Scored]]":
    from zeroshift.running.walking import Progress

    rows = []
    for done, total, row in steps:
        rows.append(row)
        yield Progress("scores", done, total, None)
    return rows


def _print_means(rows: "Sequence[Scored]") -> None:
    from zeroshift.bench.summary import summaries
    from zeroshift.bench.table import figures_in

    found, names = summaries(rows), [*figures_in(rows), "seconds"]
    wide = max(map(len, names))
    print(f"means, and of how many edits:\n  {'':{wide}}", *(f"{one.entry:>16}" for one in found))
    for name in names:
        means = [(one.means[name], max(16, len(one.entry))) for one in found]
        cells = ("" if not mean.count else f"{mean.value:.4g} [{mean.count}]" for mean, _ in means)
        print(f"  {name:{wide}}", *(f"{cell:>{width}}" for cell, (_, width) in zip(cells, means, strict=True)))


def report(
    table: Annotated[Path, Parameter(help="table that bench score has written")],
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"], group=OUTPUT, help="file to write (.html)")],
    baseline: Annotated[Text | None, Parameter(help="entry that the others are compared with, item by item")] = None,
    title: Annotated[Text, Parameter(help="heading of the report")] = "Comparison",
    json_: Annotated[
        bool, Parameter(name="--json", help="print means, differences and intervals as one JSON object")
    ] = False,
) -> None:
    """Write a comparison as one HTML file that opens offline.

    It has means with intervals, curves of success against what is kept, paired differences, entries side by side, best,
    median and worst cases, published rows beside measured ones, and the commands that made it.
    """
    from zeroshift.bench.provenance import read_provenance
    from zeroshift.bench.report import html_report
    from zeroshift.bench.summary import summaries
    from zeroshift.bench.table import read_csv

    check_apart([("the table", table)], [output])
    check_writable(output, ".html")
    rows = read_csv(table)
    known = read_provenance(table)
    made = [*known.commands, as_typed()]
    with usage():
        page = html_report(rows, known.entries, made, baseline, title)
    write_atomically(output, page.encode())
    found = [one.as_dict() for one in summaries(rows, baseline)]
    said = f"{output}: {number_of(len(found), 'entry')}"
    print(json.dumps({"report": str(output), "entries": found}) if json_ else said)
