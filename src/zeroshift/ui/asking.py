"""From what stands on the page to what is asked for, and back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import TypeVar

from zeroshift.asked.data import GivenMask
from zeroshift.asked.edits import EditSpec
from zeroshift.image import Photo
from zeroshift.image.regions import Region
from zeroshift.methods import USUAL
from zeroshift.methods.idle import part_of
from zeroshift.ui.desk import Desk, Fractions, Where

N = TypeVar("N", int, float)
MOST_NUMBERS = 16
"""edits side by side, of seeds or intensities"""
LARGEST = 2**63
"""below which a number is"""
FRAMING = ("fit", "size", "soft", "detail", "restore", "paper_defaults", "strict")
"""fields of an ``EditSpec`` that have controls of their types beside the method's"""


PLACES = ("region", "mask", "fit", "size")
"""those that say where"""


@dataclass(frozen=True)
class Fields:
    """What the page's own controls say."""

    target: str
    source: str = ""
    prompt: str = ""
    method: str = USUAL
    fast: bool = False
    seed: int = 0
    strength: float = 1.0


def asked_for(desk: Desk, fields: Fields, photo: Photo) -> EditSpec:
    """The edit that the page asks for.

    Raises:
        OptionError: a value is missing, or none.
    """
    options = desk.options if fields.strength == 1 else with_strength(desk.options, fields.strength)
    return EditSpec.parse(
        {
            "target": fields.target.strip(),
            "source": fields.source.strip() or None,
            "prompt": fields.prompt.strip() or None,
            "method": fields.method,
            "options": options,
            "fast": bool(fields.fast),
            "seed": fields.seed,
            **desk.framing,
            **desk.where.asked(photo),
        }
    )


def at_intensity(spec: EditSpec, intensity: float) -> EditSpec:
    """The same edit at another intensity.

    Raises:
        OptionError: it is none.
    """
    said = {name: getattr(spec, name) for name in spec.model_fields_set}
    return EditSpec.parse({**said, "options": with_strength(spec.options, intensity)})


def with_strength(options: Mapping[str, object], strength: float) -> dict[str, object]:
    """Options of a method with another strength; 1, as usual, is left out."""
    rest = {name: value for name, value in part_of(options, "conditioning").items() if name != "strength"}
    conditioning = rest if strength == 1 else {**rest, "strength": float(strength)}
    others = {name: value for name, value in options.items() if name != "conditioning"}
    return {**others, "conditioning": conditioning} if conditioning else others


def laid_out(spec: EditSpec) -> tuple[Fields, dict[str, object], dict[str, object]]:
    """The page's own controls of an edit, the method's options, and the fields in ``FRAMING`` that are set."""
    usual = {name: EditSpec.model_fields[name].default for name in FRAMING}
    framing = {name: value for name in FRAMING if (value := getattr(spec, name)) != usual[name]}
    fields = Fields(
        spec.target,
        spec.source or "",
        spec.prompt or "",
        spec.method,
        spec.fast,
        spec.seed,
        intensity_of(spec),
    )
    return fields, with_strength(spec.options, 1), framing


def intensity_of(spec: EditSpec) -> float:
    """The intensity of an edit; 1 is the edit as it is."""
    strength = part_of(spec.options, "conditioning").get("strength", 1.0)
    return float(strength) if isinstance(strength, (int, float)) else 1.0


def where_of(spec: EditSpec, photo: Photo | None, mask: Photo | None) -> Where:
    """Where the edit of a recipe changes its photograph: as it says, and as the page shows that."""
    said = {name: value for name in PLACES if (value := getattr(spec, name)) is not None}
    if isinstance(spec.mask, GivenMask):
        return Where("brush", mask=mask, said=said)
    if spec.region not in (None, "auto", "none") and photo is not None:
        return Where("auto", fractions_of(str(spec.region), photo), said=said)
    return Where("whole" if spec.mask == "none" else "auto", said=said)


def fractions_of(region: str, photo: Photo) -> Fractions:
    """A region as shares of a photograph's sides."""
    left, top, right, bottom = Region.parse(region).box(photo.image.size)
    width, height = photo.image.size
    return left / width, top / height, (right - left) / width, (bottom - top) / height


def changed_in(fields: Mapping[str, object], name: str, value: object) -> dict[str, object]:
    """Fields of ``FRAMING`` with one more of them set; one that is as usual is left out."""
    rest = {key: old for key, old in fields.items() if key != name}
    return rest if value == EditSpec.model_fields[name].default else {**rest, name: value}


def numbers(text: str, kind: Callable[[str], N]) -> list[N]:
    """Numbers with commas between, whole ones if ``kind`` is int.

    Raises:
        ValueError: these are none, or too many.
    """
    parts, wanted = text.split(","), "Whole numbers" if kind is int else "Numbers"
    if len(parts) > MOST_NUMBERS:
        raise ValueError(f"{len(parts)} numbers are too many, for side by side stand at most {MOST_NUMBERS}.")
    shown = text if len(text) <= 60 else f"{text[:60]}…"
    try:
        found = [kind(part) for part in parts]
    except ValueError as error:
        raise ValueError(f"{wanted} with commas between are wanted here, as in 0, 1, 2, not {shown!r}.") from error
    if not all(abs(one) < LARGEST and isfinite(one) for one in found):
        raise ValueError(f"{wanted} of a usual size are wanted here, as in 0, 1, 2, not {shown!r}.")
    return found
