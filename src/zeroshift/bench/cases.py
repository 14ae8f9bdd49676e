"""Pictures of a report: what each entry does best and worst, and what all of them make of the same items."""

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

from zeroshift.bench.judging import SUCCESS
from zeroshift.bench.scoring import Scored
from zeroshift.bench.summary import better
from zeroshift.image import ImageError, load_image

SIDE = 256
"""largest side of pictures in the report"""
RANKED = ("structure-distance", "feature-structure", "psnr")
"""what best, median and worst cases are by, among those that succeeded: the first that is there"""


def side_by_side(rows: Sequence[Scored], entries: Sequence[str]) -> list[list[str]]:
    """The first entry's best, median and worst item: which it is, the photograph, and what every entry made of it."""
    chosen, _ = chosen_of(rows, entries[0])
    whats = dict[str, str]()
    for what, row in chosen.items():
        if what != "failed":
            whats.setdefault(row.item, what)
    lines = []
    for item, what in whats.items():
        own = {row.entry: row for row in rows if row.item == item}
        photograph = _picture("photograph", Path(own[entries[0]].source))
        edits = [_picture(entry, Path(own[entry].edit)) if entry in own else "" for entry in entries]
        lines.append([f"{what}<br><small>{escape(item)}</small>", photograph, *edits])
    return lines


def cases(rows: Sequence[Scored], entry: str) -> Iterator[str]:
    """Best, median and worst edit of an entry, by structure, and one that failed, each beside its photograph."""
    chosen, ranked = chosen_of(rows, entry)
    if not chosen:
        return
    yield f"<h3>{escape(entry)}</h3>"
    for name, row in chosen.items():
        yield _pair(row, f"{name}: {row.item}, {ranked} {row.figures[ranked]:.4g}")


def chosen_of(rows: Sequence[Scored], entry: str) -> tuple[dict[str, Scored], str]:
    """The cases of an entry by what they are, and the figure that says so; none where there is no such figure."""
    own = [row for row in rows if row.entry == entry]
    ranked = next((name for name in RANKED if any(name in row.figures for row in own)), None)
    if ranked is None:
        return {}, ""
    success = next((name for name in SUCCESS if any(name in row.figures for row in own)), None)
    arrived = [row for row in own if success is None or row.figures.get(success) == 1]
    order = sorted(arrived, key=lambda row: better(ranked, row.figures[ranked]), reverse=True)
    chosen = {} if not order else {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
    failed = [row for row in own if success is not None and row.figures.get(success) == 0]
    return chosen | ({"failed": failed[len(failed) // 2]} if failed else {}), ranked


def _pair(row: Scored, words: str) -> str:
    pictures = "".join(_picture(what, path) for what, path in _files(row).items())
    return f"<figure>{pictures}<figcaption>{escape(words)}</figcaption></figure>"


def _files(row: Scored) -> Mapping[str, Path]:
    return {"photograph": Path(row.source), "edit": Path(row.edit)}


def _picture(what: str, path: Path) -> str:
    return f'<img alt="{escape(what)}" src="{_inline(path)}">'


def _inline(path: Path) -> str:
    try:
        picture = load_image(path).image
    except ImageError:
        return ""
    picture.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=85)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
