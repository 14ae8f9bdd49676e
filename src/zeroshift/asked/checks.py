"""What can be refused of an edit before a model is loaded."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, get_args

from zeroshift.asked.data import Options
from zeroshift.frames import Told
from zeroshift.image import ImageError
from zeroshift.image.regions import Region
from zeroshift.methods import Method
from zeroshift.methods.idle import chosen, default_part
from zeroshift.options.errors import OptionError
from zeroshift.options.fields import fields_of

if TYPE_CHECKING:
    from zeroshift.asked.edits import EditSpec


@contextmanager
def at(*before: str) -> Iterator[None]:
    """Lengthen the paths of wrong options, and say of what else is wrong that it stands here."""
    try:
        yield
    except OptionError as error:
        raise OptionError(str(error), (*before, *error.path), error.given, error.expected) from error
    except ValueError as error:
        raise OptionError(str(error), before) from error


def check_source(spec: "EditSpec", photograph: bool) -> None:
    """Refuse a sentence without the word in it, and no word where there is no photograph to look at.

    Raises:
        OptionError: so it is.
    """
    if spec.source is None and spec.prompt is not None:
        sentence = "`prompt` is a sentence with the word `source` in it; give both, or leave both out."
        raise OptionError(sentence, ("prompt",), spec.prompt)
    if spec.source is None and not photograph:
        sentence = "Without a photograph there is nothing to look at; say with `source` what shall be generated."
        raise OptionError(sentence, ("source",))


def check_mask(spec: "EditSpec", photograph: bool) -> None:
    """Refuse mask and detail where there is no photograph, and a soft edge of no mask.

    Raises:
        OptionError: so it is.
    """
    if spec.mask == "none":
        check_soft(spec, masked=False)
    if spec.detail and not photograph:
        sentence = "`detail` is a photograph's, and none is given; give one, or leave it out."
        raise OptionError(sentence, ("detail",), spec.detail)
    if spec.mask not in (None, "none") and not photograph:
        sentence = "`mask` says where a photograph changes, and none is given; give one, or leave it out."
        raise OptionError(sentence, ("mask",))


def check_soft(spec: "EditSpec", masked: bool) -> None:
    """Refuse a soft edge where nothing is masked.

    Raises:
        OptionError: so it is.
    """
    if spec.soft is not None and not masked:
        raise OptionError("`soft` is how far an edit fades into a `mask`, and there is none.", ("soft",), spec.soft)


def check_run(spec: "EditSpec", method: Method, photograph: bool, inverted: bool) -> None:
    """Refuse options of an inversion that is not made in this run.

    Raises:
        OptionError: there are some.
    """
    usual = default_part(type(method), "inversion")
    if not photograph and "inversion" in spec.options and method.inversion != usual:
        raise OptionError(
            "`inversion` and its options are for a photograph, and none is given; give one, or leave them out.",
            ("options", "inversion"),
        )
    if getattr(method.control, "maps_from", "") == "inversion" and not (photograph and inverted):
        raise OptionError(
            "`maps_from` inversion takes maps while a photograph is inverted, and none is in this run; give one "
            "without a saved inversion, or leave that out.",
            ("options", "control", "maps_from"),
            "inversion",
        )


def check_directed(options: Options, method: Method) -> None:
    """Refuse an edit direction beside a conditioning that has none, or options that make another.

    Raises:
        OptionError: so it is.
    """
    conditioning = method.conditioning
    if "sentences" not in fields_of(type(conditioning)):
        sentence = (
            f"`direction` means nothing to `conditioning` {conditioning.kind}; take a `method` with one, such as "
            "pix2pix-zero, or leave it out."
        )
        raise OptionError(sentence, ("direction",))
    if made := [name for name in ("words", "sentences") if name in chosen(method, options, "conditioning")]:
        idle = " and ".join(f"`{name}`" for name in made)
        sentence = f"{idle} say how a direction is made, and `direction` gives another; choose one."
        raise OptionError(sentence, ("options", "conditioning", made[0]))


def check_region(region: str) -> None:
    """Refuse what is no region, or too small in any picture.

    Raises:
        OptionError: so it is.
    """
    if region in get_args(Told):
        return
    try:
        Region.parse(region).check_sides()
    except ImageError as error:
        raise OptionError(str(error), ("region",), region) from error
