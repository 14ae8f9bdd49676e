"""``zeroshift methods``."""

import json as as_json
from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import App, Parameter

from zeroshift.cli.flags import flags_of
from zeroshift.cli.shared import as_app
from zeroshift.methods import METHODS, Method


def command(tokens: Sequence[str]) -> App:
    """Return the verb."""
    return as_app(methods, "methods", "methods [--json]")


def methods(*, json: Annotated[bool, Parameter(help="print one JSON list")] = False) -> None:
    """List the editing methods and their options."""
    rows = [row_of(method) for method in METHODS]
    if json:
        print(as_json.dumps(rows))
        return
    for row in rows:
        print(f"{row['title']}\n  {row['summary']}\n  options: {' '.join(row['options'])}")
    print("\nzeroshift edit --method NAME --help explains the options of one.")


def row_of(method: type[Method]) -> dict[str, Any]:
    """Return what the table says of a method."""
    return {
        "name": method.name,
        "title": method.title,
        "summary": (method.__doc__ or "").strip().splitlines()[0],
        "options": [f"--{flag.name.replace('_', '-')}" for flag in flags_of(method)],
    }
