"""What results are called where nobody says so."""

from collections.abc import Sequence
from pathlib import Path

from zeroshift.asked.edits import EditSpec
from zeroshift.files import slug
from zeroshift.image.reader import open_header
from zeroshift.image.save import FORMATS
from zeroshift.methods.idle import part_of

USUAL = ".png"
PARTS = ("inversion", "conditioning", "control")
"""parts of a method that can be exchanged"""


def result_stem(source: str, spec: EditSpec) -> str:
    """The name of an edit of the picture called ``source``, such as "cat-dog-sdedit-0", without an extension.

    It says target, method, seed and what else is asked for: strength, region, other parts of the method, fast, as in
    "cat-dog-0.5-at-10-20-300-300-sdedit-fast-0" and "cat-dog-ddim-null-text-0".
    """
    strength, kinds = strength_of(spec), (part_of(spec.options, part).get("kind") for part in PARTS)
    spaced = [] if strength is None else [f"{strength:g}"]
    region = [] if spec.region is None else ["at", slug(spec.region.replace("%", "p"))]
    parts = [*(str(kind) for kind in kinds if kind is not None), *(["fast"] if spec.fast else [])]
    return "-".join([source, slug(spec.target), *spaced, *region, spec.method, *parts, str(spec.seed)])


def strength_of(spec: EditSpec) -> float | None:
    """The strength that an edit asks for; None where it asks for none."""
    strength = part_of(spec.options, "conditioning").get("strength")
    return strength if isinstance(strength, (int, float)) else None


def table_of(specs: Sequence[EditSpec]) -> tuple[list[str], list[str]]:
    """Labels of a table of edits, of its rows and of its columns: a row per method and seed.

    ``specs`` are in the order of the table, row by row. Rows say what differs from one to another.
    """
    columns = [spec for spec in specs if (spec.method, spec.seed) == (specs[0].method, specs[0].seed)]
    rows = specs[:: len(columns)]
    methods, seeds = len({row.method for row in rows}) > 1, len({row.seed for row in rows}) > 1
    beside = ["\n".join([row.method] * methods + [f"seed {row.seed}"] * seeds) for row in rows]
    strengths = [strength_of(spec) for spec in columns]
    above = [f"{c.target}{'' if s is None else f', strength {s:g}'}" for c, s in zip(columns, strengths, strict=True)]
    return beside, above


def suffix_for(source: Path | bytes) -> str:
    """The extension of a result: that of the picture's own format, if results can be written in it, else ".png".

    Raises:
        ImageError: bytes are no picture of a readable format.
    """
    if isinstance(source, Path):
        return source.suffix.lower() if source.suffix.lower() in FORMATS else USUAL
    kind = open_header(source, "The picture").format
    return next((suffix for suffix, format in FORMATS.items() if format == kind), ".jpg" if kind == "MPO" else USUAL)
