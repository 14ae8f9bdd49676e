"""Texts between marks: ``<!-- NAME -->`` and ``<!-- /NAME -->``, in a line or around a block of lines."""

import re
from collections.abc import Mapping
from pathlib import Path

from zeroshift.files import write_atomically

CARD = "src/zeroshift/shipped/README.md"
MARKED = re.compile(r"<!-- ([a-z][^<>:/]*) -->(.*?)<!-- /\1 -->", re.DOTALL)


def pages(root: Path) -> list[Path]:
    """The pages that may have marks."""
    card = root / CARD
    return [root / "README.md", *sorted((root / "docs").rglob("*.md")), *([card] if card.is_file() else [])]


def marks(text: str) -> list[str]:
    """The names of the marked places, in order."""
    return [found[1] for found in MARKED.finditer(text)]


def filled(text: str, values: Mapping[str, str]) -> str:
    """``text`` with what stands between known marks replaced; values of several lines become blocks."""

    def fill(found: re.Match[str]) -> str:
        name, value = found[1], values.get(found[1])
        if value is None:
            return found[0]
        space = "\n\n" if "\n" in value else "\n" if found[2].startswith("\n") else ""
        return f"<!-- {name} -->{space}{value}{space}<!-- /{name} -->"

    return MARKED.sub(fill, text)


def put(root: Path, values: Mapping[str, str]) -> str:
    """Write values between their marks, wherever on the pages those are; return which pages have any.

    Raises:
        ValueError: no page has one of the marks.
    """
    found = []
    for page in pages(root):
        text = page.read_text(encoding="utf-8")
        if set(marks(text)) & set(values):
            found.append(page.relative_to(root).as_posix())
            write_atomically(page, filled(text, values).encode())
    if not found:
        raise ValueError(f"No page has a mark {' or '.join(values)}; put <!-- NAME --><!-- /NAME --> where it belongs.")
    return ", ".join(found)
