"""``zeroshift methods``."""

import json as as_json
import textwrap
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from cyclopts import App, Parameter

from zeroshift.cli.flags import flags_of
from zeroshift.cli.help import WIDTH
from zeroshift.cli.shared import SHIPPED_METHOD, as_app, method_class
from zeroshift.cli.wrong import as_flags
from zeroshift.methods import METHODS, Method
from zeroshift.options.parts import Part, parts_of, summary
from zeroshift.presets import build_method

LEFT = 22
"""columns of a name"""
Matrix = Mapping[str, Mapping[str, bool | str]]
"""by method and inversion, or control and conditioning: True, or why they do not go together"""


def command(tokens: Sequence[str]) -> App:
    """The verb."""
    return as_app(methods, "methods", "methods [--json]")


def methods(*, json: Annotated[bool, Parameter(help="print one JSON object")] = False) -> None:
    """List the editing methods, and the kinds of parts that can be exchanged in each."""
    parts = {part.name: part for part in parts_of(method_class(SHIPPED_METHOD))}
    rows = [row_of(method) for method in METHODS]
    matrix = {method.name: inversions_with(method.name, parts["inversion"]) for method in METHODS}
    controls = {kind: conditionings_with(kind, parts["conditioning"]) for kind in parts["control"].kinds}
    if json:
        lists = {plural(name): kinds_of(part) for name, part in parts.items()}
        print(as_json.dumps({"methods": rows, **lists, "matrix": matrix, "control_matrix": controls}))
        return
    blocks = [table("Methods (--method)", {row["name"]: row["title"] for row in rows})]
    for name, part in parts.items():
        rows_of = summaries(part)
        if name in ("inversion", "conditioning"):
            rows_of = {f"{k:2} {kind}": text for k, (kind, text) in enumerate(rows_of.items(), 1)}
        blocks.append(table(f"{plural(name).capitalize()} (--{name})", rows_of))
    blocks += [drawn("Method and inversion", matrix), drawn("Control and conditioning", controls)]
    print("\n\n".join([*blocks, ending()]))


def row_of(method: type[Method]) -> dict[str, Any]:
    """What the table says of a method."""
    return {
        "name": method.name,
        "title": method.title,
        "summary": summary(method),
        "options": [flag.spelled for flag in flags_of(method)],
    }


def kinds_of(part: Part) -> list[dict[str, Any]]:
    """What the table says of the kinds of a part."""
    return [
        {
            "name": kind,
            "summary": text,
            "options": [f.spelled for f in flags_of(part.kinds[kind])],
        }
        for kind, text in summaries(part).items()
    ]


def summaries(part: Part) -> dict[str, str]:
    """One line about every kind."""
    return {name: summary(kind) for name, kind in part.kinds.items()}


def inversions_with(method: str, inversions: Part) -> dict[str, bool | str]:
    """Return, for every inversion with its defaults, True or why it makes no sense with the method's defaults."""
    return {kind: sense(method, {"inversion": {"kind": kind}}) for kind in inversions.kinds}


def conditionings_with(control: str, conditionings: Part) -> dict[str, bool | str]:
    """Return, for every conditioning, True or why it makes no sense with a control."""
    return {
        kind: in_any({"control": {"kind": control}, "conditioning": {"kind": kind}}) for kind in conditionings.kinds
    }


def in_any(options: Mapping[str, object]) -> bool | str:
    """True, or why some options make no sense whatever the method is.

    What only some methods refuse is about their other parts.
    """
    found = [sense(method.name, options) for method in METHODS]
    return True if True in found else found[0]


def sense(method: str, options: Mapping[str, object]) -> bool | str:
    """True, or why a method with some options makes no sense."""
    try:
        build_method(method, options)
    except ValueError as error:
        return as_flags(str(error))
    return True


def plural(part: str) -> str:
    """What several of a part are called."""
    return part if part.endswith("s") else f"{part}s"


def table(title: str, rows: Mapping[str, str]) -> str:
    """Lines of two columns under a title."""
    lines = [f"{title}:"]
    for name, text in rows.items():
        wrapped = textwrap.wrap(text, WIDTH - LEFT, break_on_hyphens=False) or [""]
        lines += [f"  {name if k == 0 else '':{LEFT - 2}}{line}".rstrip() for k, line in enumerate(wrapped)]
    return "\n".join(lines)


def drawn(title: str, matrix: Matrix) -> str:
    """What goes together, columns by number, and below it why the others do not, each reason once."""
    numbers = range(1, len(next(iter(matrix.values()))) + 1)
    lines = [f"{title} (+ goes together):", f"{'':{LEFT}}{''.join(f'{k:>3}' for k in numbers)}"]
    for name, row in matrix.items():
        lines.append(f"  {name:{LEFT - 2}}{''.join('  +' if good is True else '  -' for good in row.values())}")
    for why in dict.fromkeys(why for row in matrix.values() for why in row.values() if why is not True):
        lines += textwrap.wrap(f"  - {why}", WIDTH, subsequent_indent="    ")
    return "\n".join(lines)


def ending() -> str:
    """Where to read on."""
    return textwrap.fill(
        "zeroshift edit --method NAME --help explains the options of a method; with --inversion KIND, "
        "--conditioning KIND, --control KIND or --extras KIND,KIND also those of other parts.",
        WIDTH,
    )
