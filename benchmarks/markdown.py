"""Tables in Markdown, as the benchmarks print them and write them into pages."""

from collections.abc import Sequence


def row(cells: Sequence[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def head(columns: Sequence[str]) -> str:
    """The first two lines of a table."""
    return f"{row(columns)}\n|{'---|' * len(columns)}"


def lined(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """A table, a string per line."""
    return [*head(heads).splitlines(), *map(row, lines)]
