"""Which part of a picture is edited."""

import re
from dataclasses import dataclass
from typing import Literal

from zeroshift.image.errors import ImageError
from zeroshift.image.framing import Box, Size

Unit = Literal["px", "%"]
_NUMBER = r"\s*(\d+(?:\.\d+)?)\s*(%|px)?\s*"
_REGION = re.compile(rf"{_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}")
_EXPECTED = "X,Y,W,H in pixels or percent, as in 120,40,300,300 or 20%,5%,60%,60%, or auto or none"
MIN_REGION = 16
"""the shortest side of a region in pixels that an edit can say anything about"""


@dataclass(frozen=True)
class Region:
    """A box in a picture: left, top, width, height, each in pixels or in percent of the picture's width or height."""

    x: float
    y: float
    width: float
    height: float
    units: tuple[Unit, ...] = ("px",) * 4
    """of each of the four"""

    @staticmethod
    def parse(text: str) -> "Region":
        """Read "X,Y,W,H", each number in pixels unless a percent sign follows.

        Raises:
            ImageError: it is written otherwise, or it has no area.
        """
        found = _REGION.fullmatch(text)
        if found is None:
            raise ImageError(f"The `region` must be {_EXPECTED}, not {text!r}.")
        x, y, width, height = (float(number) for number in found.groups()[::2])
        if not width or not height:
            raise ImageError(f"The `region` {text} has no area; give {_EXPECTED}.")
        units: tuple[Unit, ...] = tuple("%" if unit == "%" else "px" for unit in found.groups()[1::2])
        return Region(x, y, width, height, units)

    @staticmethod
    def of(box: Box) -> "Region":
        """The region of a box in pixels."""
        left, top, right, bottom = box
        return Region(left, top, right - left, bottom - top)

    def __str__(self) -> str:
        """The form that ``parse`` reads."""
        numbers = (self.x, self.y, self.width, self.height)
        return ",".join(f"{n:.9g}{'%' if unit == '%' else ''}" for n, unit in zip(numbers, self.units, strict=True))

    def check_sides(self) -> None:
        """Refuse a region that is too small whatever the picture, as one in fractions of it is.

        Raises:
            ImageError: a side is under 16 px.
        """
        units = self.units[2:]
        if any(side < MIN_REGION and unit == "px" for side, unit in zip((self.width, self.height), units, strict=True)):
            raise ImageError(f"The `region` {self} is under {MIN_REGION} px wide or high; give {_EXPECTED}.")

    def box(self, size: Size) -> Box:
        """The box in pixels in a picture of ``size``.

        Raises:
            ImageError: it reaches outside the picture, or a side is under 16 px.
        """
        numbers, sides = (self.x, self.y, self.width, self.height), (*size, *size)
        pixels = [
            round(n * side / 100 if unit == "%" else n)
            for n, unit, side in zip(numbers, self.units, sides, strict=True)
        ]
        left, top, width, height = pixels
        if left + width > size[0] or top + height > size[1]:
            raise ImageError(
                f"The `region` {self} reaches outside the picture of {size[0]}x{size[1]} px; give one inside it."
            )
        if min(width, height) < MIN_REGION:
            raise ImageError(f"The `region` {self} is {width}x{height} px, expected {MIN_REGION} px a side or more.")
        return left, top, left + width, top + height
