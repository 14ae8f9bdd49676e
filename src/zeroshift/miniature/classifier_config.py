"""What a classifier's ``config.json`` holds."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from zeroshift.miniature.vocabulary import MEDIA


def _known(style: str) -> str:
    if style not in MEDIA:
        raise ValueError(f"there is no style {style}")
    return style


class Architecture(BaseModel):
    """The network's shape, level by level."""

    widths: Annotated[tuple[Annotated[int, Field(ge=8, le=4096)], ...], Field(min_length=1)]
    blocks: Annotated[tuple[Annotated[int, Field(ge=1, le=64)], ...], Field(min_length=1)]


class Presence(BaseModel):
    """The head that tells whether there is an animal."""

    hidden: Annotated[int, Field(ge=1, le=4096)]
    sure_from: Annotated[float, Field(allow_inf_nan=False)]


class ClassifierConfig(BaseModel):
    """Everything but the weights; see ``Classifier``."""

    architecture: Architecture
    size: Annotated[int, Field(ge=8, le=1024)]
    classes: tuple[str, str]
    threshold: Annotated[float, Field(ge=0, le=1)]
    figures: dict[str, float]
    coats: tuple[str, ...] = ()
    """older files have none"""
    presence: Presence | None = None
    """older files have none"""
    styles: tuple[Annotated[str, AfterValidator(_known)], ...] = ()
