"""What a finder's ``config.json`` holds."""

from typing import Annotated, TypeAlias

from pydantic import BaseModel, Field

from zeroshift.miniature.finder_network import LEVELS

PerLevel: TypeAlias = Annotated[
    tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(min_length=LEVELS, max_length=LEVELS)
]


class FinderConfig(BaseModel):
    """Everything but the weights; see ``Finder``."""

    widths: PerLevel
    blocks: PerLevel
    threshold: Annotated[float, Field(ge=0)]
    trained_on: str
    figures: dict[str, float]
