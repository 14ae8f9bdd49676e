"""Which files of a folder are edits of which items, and what is left over on either side."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zeroshift.bench.items import Benchmark, Item
from zeroshift.bench.published_folders import edit_of, names_of
from zeroshift.image.folders import EXTENSIONS


@dataclass(frozen=True)
class Matched:
    """Edits that were found, and what was not."""

    edits: tuple[tuple[Path, Item, Path], ...]
    """folder, item and file"""
    missing: dict[str, list[str]]
    """by folder's name: items without an edit there"""
    shared: tuple[Path, ...] = ()
    """pictures that are called like a photograph of several items"""
    unknown: tuple[Path, ...] = ()
    """pictures that are called like nothing in the benchmark"""


def matched(benchmark: Benchmark, folders: Sequence[Path]) -> Matched:
    """Look for every item's edit in every folder; items that were left out are not missing, nor their edits unknown."""
    found = [
        (folder, item, path)
        for folder in folders
        for item in benchmark.items
        if (path := edit_of(item, benchmark, folder)) is not None
    ]
    have = {(folder, item.name) for folder, item, _ in found}
    missing = {
        folder.name: [item.name for item in benchmark.items if (folder, item.name) not in have] for folder in folders
    }
    known = {name for item in benchmark.whole or benchmark.items for name in names_of(item, benchmark)}
    known |= {name for item in benchmark.left_out for name in {*names_of(item, benchmark), item.picture.stem}}
    rest = [
        (path, path.relative_to(folder).with_suffix("").as_posix())
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in EXTENSIONS and path.is_file()
    ]
    over = [(path, name) for path, name in rest if name not in known]
    return Matched(
        tuple(found),
        {name: items for name, items in missing.items() if items},
        tuple(path for path, name in over if name in benchmark.shared),
        tuple(path for path, name in over if name not in benchmark.shared),
    )


def sentences_about(matches: Matched, edits: Path) -> list[str]:
    """What to say of what was not scored, one sentence a kind."""
    said = []
    for paths, why in (
        (matches.shared, "called like a photograph that has several edits; call them like items, or name one `task`"),
        (matches.unknown, "called like no item"),
    ):
        if paths:
            said.append(f"Not scored, {why}: {few([path.relative_to(edits).as_posix() for path in paths])}.")
    return said + [f"Without an edit in {name}: {few(items)}." for name, items in matches.missing.items()]


def few(names: Sequence[str]) -> str:
    """The first three names, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"
