"""Nothing is done to the target branch."""

from typing import Literal, final

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from zeroshift.conditioning.base import EditContext
from zeroshift.control.base import Control, ControlOptions


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class NoControl(ControlOptions):
    """The target prompt alone."""

    kind: Literal["none"] = "none"
    """name of this control"""

    def bind(self, run: EditContext) -> Control:
        return Control()
