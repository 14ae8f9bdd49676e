"""Flags about files: the photographs that an edit reads, and the pictures that it writes."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, cast, get_args

from cyclopts import Group, Parameter
from cyclopts.validators import Number

from zeroshift.cli.shared import OUTPUT, Output, Overwrite, Text
from zeroshift.cli.streams import STDOUT
from zeroshift.cli.wrong import Wrong
from zeroshift.image import Fit, Photo, load_image
from zeroshift.image.framing import MOST_SIZE
from zeroshift.image.masks import MOST_SOFT, Said

if TYPE_CHECKING:
    from zeroshift.asked.data import GivenMask

MEGAPIXELS = 100.0
REGION = Parameter(
    help="the part that is edited: X,Y,W,H in pixels or percent, auto (where the subject is) or none (all) "
    "[default auto with the shipped model, if there is no --fit and the target is no style, light or background]",
    metavar="BOX",
)
FrameSize: TypeAlias = Annotated[
    int | None,
    Parameter(
        help="side in pixels of the square whose pixels the model sees of it [default the model's; up to twice that of "
        "a whole picture that a small model edits]",
        metavar="N",
        validator=Number(gte=16, lte=MOST_SIZE),
    ),
]
BATCH = 16
Recursive: TypeAlias = Annotated[bool, Parameter(help="also the pictures in folders of a folder")]
KeepGoing: TypeAlias = Annotated[
    bool, Parameter(help="leave out pictures that fail, name them at the end, and exit with 1")
]
ONE_RUN = Number(gte=1, lte=64)


@Parameter(name="*", group=Group("Photographs", sort_key=15))
@dataclass(frozen=True, kw_only=True)
class PhotographFlags:
    """How photographs are read and taken together; each means nothing without one."""

    fit: Annotated[Fit | None, Parameter(help="how it meets the model's frame [default the model's]")] = None
    region: Annotated[Text | None, REGION] = None
    size: FrameSize = None
    mask: Annotated[
        Path | None,
        Parameter(
            help="where it may change: auto (where the subject is), grown (there, and where the result has grown "
            "beyond that), alpha (its transparent part), none (everywhere), or a picture that is white or transparent "
            "there [default grown where the model finds the region, else none]",
            metavar="FILE|auto|grown|alpha|none",
        ),
    ] = None
    segmenter: Annotated[
        Path | None,
        Parameter(
            help="folder or .onnx of a segmentation model that finds the mask, or words: where they look [default the "
            "model's own for subjects that it knows, else words]",
            metavar="FOLDER|FILE|words",
        ),
    ] = None
    soft: Annotated[
        int | None,
        Parameter(
            help="pixels over which the edit fades in, inside the mask [default 1/60 of the shorter side]",
            metavar="N",
            validator=Number(gte=0, lte=MOST_SOFT),
        ),
    ] = None
    detail: Annotated[
        float | None,
        Parameter(
            help="how much of its own detail is given back where the edit changes nothing [default 0.0]",
            metavar="X",
            validator=Number(gte=0, lte=1),
        ),
    ] = None
    max_megapixels: Annotated[
        float | None,
        Parameter(help=f"refuse larger ones [default {MEGAPIXELS:g}]", metavar="X", validator=Number(gt=0)),
    ] = None
    batch: Annotated[
        int | None,
        Parameter(
            help=f"how many run together at most [default what memory has room for, up to {BATCH}]",
            metavar="N",
            validator=Number(gte=1, lte=64),
        ),
    ] = None
    inversion_file: Annotated[Path | None, Parameter(help="saved inversion (zeroshift invert) to start from")] = None
    recursive: Recursive = False
    keep_going: KeepGoing = False

    @property
    def megapixels(self) -> float:
        """The size above which photographs are refused."""
        return MEGAPIXELS if self.max_megapixels is None else self.max_megapixels

    @property
    def mask_file(self) -> Path | None:
        """The picture that is the mask, if one is."""
        return None if self.mask is None or str(self.mask) in get_args(Said) else self.mask

    def masked(self) -> "tuple[Said | GivenMask | None, Photo | None]":
        """The mask as an edit has it, and its picture if it is one.

        Raises:
            ImageError: the picture is unusable.
        """
        from zeroshift.asked.data import GivenMask

        if self.mask_file is None:
            return None if self.mask is None else cast(Said, str(self.mask)), None
        picture = load_image(self.mask_file, self.megapixels)
        return GivenMask(sha256=picture.sha256), picture

    def check(self, photographs: int) -> None:
        """Refuse options that do not fit the number of photographs.

        Raises:
            Wrong: there is one.
        """
        if self.segmenter is not None and self.mask is not None and str(self.mask) not in ("auto", "grown"):
            raise Wrong("--segmenter finds the mask auto or grown, and --mask says another; leave one of them out.")
        idle = [
            f"--{name.replace('_', '-')}"
            for name, value in vars(self).items()
            if value is not None and value is not False
        ]
        if idle and not photographs:
            raise Wrong(
                f"{' and '.join(idle)} say what becomes of a photograph, and none is given; give one, or leave it out."
            )
        if self.inversion_file is not None and photographs != 1:
            raise Wrong("--inversion-file holds the inversion of one photograph; give that one.")


@Parameter(name="*", group=OUTPUT)
@dataclass(frozen=True, kw_only=True)
class ResultFlags:
    """What is written."""

    output: Annotated[
        Output, Parameter(help="file, folder of several, or - [default out/NAME-TARGET-METHOD-SEED.EXT]")
    ] = None
    format: Annotated[
        Literal["png", "jpg", "webp"] | None,
        Parameter(help="what results are written as [default as the photograph, else png]", show_choices=True),
    ] = None
    overwrite: Overwrite = False
    skip_existing: Annotated[bool, Parameter(help="do only what is not there yet")] = False
    keep_exif: Annotated[bool, Parameter(help="keep what the camera wrote: date, settings, place")] = False
    native: Annotated[bool, Parameter(help="write the model's own size")] = False
    before_after: Annotated[
        Path | None, Parameter(help="also write both, side by side: file, or folder of several")
    ] = None
    sheet: Annotated[
        Path | None, Parameter(help="also write one sheet: a row per photograph, method and seed, a column per target")
    ] = None
    previews: Annotated[
        Path | None, Parameter(help="folder for NAME-STEP.png: every step's estimate of the finished picture")
    ] = None
    preview_every: Annotated[
        int | None, Parameter(help="steps from one to the next [default 1]", metavar="N", validator=Number(gte=1))
    ] = None

    def check(self) -> None:
        """Refuse an option that means nothing without another, or beside one.

        Raises:
            Wrong: there is one.
        """
        if self.skip_existing and self.overwrite:
            raise Wrong("--skip-existing leaves what is there, and --overwrite replaces it; choose one.")
        if self.streamed and (beside := self._beside()):
            raise Wrong(f"-o - writes one picture to standard output, and {beside} means nothing to that.")
        if self.preview_every is not None and self.previews is None:
            raise Wrong("--preview-every says how often --previews are written; add --previews FOLDER.")

    @property
    def streamed(self) -> bool:
        """Whether the result goes to standard output."""
        return self.output == STDOUT

    def _beside(self) -> str:
        given = {"--before-after": self.before_after, "--sheet": self.sheet, "--previews": self.previews}
        more = {"--skip-existing": self.skip_existing, "--overwrite": self.overwrite}
        return " or ".join(name for name, value in {**given, **more}.items() if value)


DEFAULT_PHOTOGRAPHS = PhotographFlags()
DEFAULT_RESULTS = ResultFlags()
