"""What is asked of an editor in arguments, and the same as data."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from numbers import Real
from pathlib import Path
from typing import TypeAlias, TypedDict, cast, get_args

from pydantic import ValidationError

from zeroshift.asked.data import GivenMask, Options
from zeroshift.asked.edits import EditSpec
from zeroshift.asked.together import check_together
from zeroshift.conditioning.direction import Direction
from zeroshift.diffusion.noise import check_seeds
from zeroshift.image import Fit, Photo, Picture, as_photo
from zeroshift.image.masks import Said
from zeroshift.image.regions import Region
from zeroshift.inversions import InversionStore
from zeroshift.methods import METHODS, USUAL, Method
from zeroshift.options.errors import given, option_error
from zeroshift.options.fields import fields_of
from zeroshift.options.parts import parts_of

Targets: TypeAlias = list[str] | tuple[str, ...]
Place: TypeAlias = str | Region | tuple[float, float, float, float]
"""which part of a picture is edited; four numbers are pixels: left, top, width, height"""


class Asked(TypedDict, total=False):
    """The named arguments of ``Editor.edit`` for one picture; what they mean stands there."""

    prompt: str | None
    direction: Direction | str | Path | None
    method: Method | str | None
    seed: int
    fit: Fit | None
    region: Place | None
    mask: Said | Picture | None
    soft: int | None
    detail: float
    strength: float | None
    fast: bool
    inversions: InversionStore | None


class Batched(Asked, total=False):
    """Those for a list of pictures."""

    seeds: Sequence[int] | None
    batch: int | None


def check_arguments(called: str, known: Iterable[str], others: Iterable[str], method: object = None) -> None:
    """Refuse named arguments that ``Editor.edit`` or ``stream`` does not have, and say where the first belongs.

    Args:
        called: which of them.
        known: what it has.
        others: the arguments that it has not.
        method: what was given as such, whose options are looked through first.

    Raises:
        TypeError: there are any.
    """
    for name in others:
        raise TypeError(f"`{called}` has no argument `{name}`; {home_of(name, known, method)}.")


def check_store(inversions: object) -> None:
    """Refuse what cannot keep inversions.

    Raises:
        TypeError: it is such.
    """
    if inversions is not None and not isinstance(inversions, InversionStore):
        raise TypeError(f"`inversions` keeps inversions, as InversionMemory() does, and not {given(inversions)}.")


def home_of(name: str, known: Iterable[str], asked: object = None) -> str:
    """Where an argument belongs that ``Editor.edit`` does not have: in an ``EditSpec``, or in a method's options."""
    first = asked.name if isinstance(asked, Method) else asked if isinstance(asked, str) else USUAL
    if name in EditSpec.model_fields:
        return f"give all that is asked for as an EditSpec, as in EditSpec(target=..., {name}=...)"
    for method in sorted(METHODS, key=lambda method: (method.name != first, method.name != USUAL)):
        if (path := path_of(name, method)) is not None:
            nested = f"{{{path[-1]!r}: ...}}"
            for part in reversed(path[:-1]):
                nested = f"{{{part!r}: {nested}}}"
            return f"give it as an option of the method, as in method=editor.method({method.name!r}, {nested})"
    near = get_close_matches(name, [*known, "source", "target", *EditSpec.model_fields], n=1)
    return f"did you mean `{near[0]}`" if near else "see help(zeroshift.Editor.edit)"


def path_of(name: str, method: type[Method]) -> tuple[str, ...] | None:
    """Where an option stands in those of a method and of its usual parts; None if there is none of that name."""
    if name in fields_of(method):
        return (name,)
    parts = [part for part in parts_of(method) if not part.several]
    return next(((p.name, name) for p in parts for one in p.usual.values() if name in fields_of(type(one))), None)


def by_method(
    specs: list[EditSpec], method: Method | str | None, strength: float | None
) -> tuple[list[EditSpec], Method | None]:
    """Edits by a named method, in place of theirs and its options; or the built one that takes the place of all.

    Raises:
        OptionError: the strength is out of range.
        ValueError: it is neither, or a built one is to be faster.
    """
    if isinstance(method, str):
        options = options_of(strength)
        return [spec.model_copy(update={"method": method, "options": options}) for spec in specs], None
    if method is None:
        return specs, None
    if not isinstance(method, Method):
        raise ValueError(
            "The `method` is the name of one, or one built from its class, as in SDEdit(steps=20), not "
            f"{given(method)}."
        )
    if any(spec.fast for spec in specs):
        raise ValueError("A method that is built already is not made `fast`; name it, as in method='sdedit'.")
    if strength is not None:
        conditioning = method.conditioning
        try:
            method = replace(method, conditioning=replace(conditioning, strength=float(strength)))
        except ValidationError as error:
            raise option_error(method.name, type(conditioning), error) from error
    return specs, method


def options_of(strength: float | None) -> Options:
    """A strength as an option of a method.

    Raises:
        ValueError: it is no number.
    """
    if strength is not None and not is_number(strength):
        raise ValueError(f"The `strength` is a number, as in strength=0.7, not {type(strength).__name__}.")
    # 1 is what every method does by itself, and options leave the choice of methods to nobody
    return {} if strength is None or strength == 1 else {"conditioning": {"strength": float(strength)}}


def is_number(value: object) -> bool:
    """Whether it is a number of Python's or of NumPy's, and no truth value."""
    return isinstance(value, Real) and not isinstance(value, bool)


def place_of(region: Place | None) -> str | None:
    """A region as an ``EditSpec`` has it.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(region, (tuple, list)):
        if len(region) != 4 or not all(map(is_number, region)):
            raise ValueError(f"The `region` has four numbers, left, top, width and height, not {region!r}.")
        x, y, width, height = map(float, region)
        region = Region(x, y, width, height)
    return None if region is None else str(region)


def check_targets(specs: Sequence[EditSpec], method: Method | None = None, *, directed: bool, vgg: bool | None) -> None:
    """Refuse edits that make no sense, alone or together, before the work; ``method`` takes the place of theirs.

    Raises:
        OptionError: one does not.
        ValueError: there are none.
    """
    if not specs:
        raise ValueError("There is nothing to do; give at least one target.")
    for spec in specs:
        spec.check(directed=directed, vgg=vgg, by=method)
    check_together(specs, directed=directed)


def spec_of(
    source: str | EditSpec | None,
    target: str,
    prompt: str | None,
    seed: int,
    fit: Fit | None,
    region: Place | None,
    mask: Said | GivenMask | None,
    soft: int | None,
    detail: float,
    strength: float | None,
    fast: bool,
) -> EditSpec:
    """What is asked for, in one value.

    Raises:
        OptionError: a value is of another type or out of range.
        ValueError: it is there as a whole and once more in parts.
    """
    if not isinstance(source, EditSpec):
        if isinstance(source, str) and source and isinstance(target, str) and not target:
            raise ValueError(
                f"{source!r} was taken for the source, and there is no target; name it, as in target='dog'."
            )
        words = {"target": target, "source": source, "prompt": prompt}
        where = {"fit": fit, "region": place_of(region), "mask": mask, "soft": soft, "detail": detail}
        how = {"options": options_of(strength), "fast": fast}
        return EditSpec.parse({**words, "seed": seed, **where, **how})
    beside = isinstance(mask, GivenMask) and mask == source.mask  # its picture stands in no spec
    parts = (prompt, fit, region, soft, strength, None if beside else mask)
    if target or seed or detail or fast or any(part is not None for part in parts):
        raise ValueError(
            "An EditSpec says all that is asked for; give target, prompt, seed, fit, region, mask, soft, detail, "
            "strength (an option of its conditioning) and fast in it."
        )
    return source


def told(mask: Said | Picture | None) -> tuple[Said | GivenMask | None, Photo | None]:
    """A mask as an ``EditSpec`` has it, and its picture if it is one.

    Raises:
        ImageError: the picture is unusable.
    """
    if mask is None or (isinstance(mask, str) and mask in get_args(Said)):
        return cast(Said | None, mask), None
    picture = as_photo(mask)
    return GivenMask(sha256=picture.sha256), picture


def seeds_of(rows: Sequence[object], seed: int, seeds: Sequence[int] | None) -> Sequence[int]:
    """The seed of every row of a batch: ``seeds`` where they are given, else ``seed`` for all.

    Raises:
        ValueError: there are more or fewer ``seeds`` than rows.
    """
    drawn = [seed] * len(rows) if seeds is None else seeds
    check_seeds(drawn, rows)
    return drawn
