"""Ways from a photograph to the noise that it comes from."""

from typing import Annotated, TypeAlias

from pydantic import Field

from zeroshift.inversion.base import CleanLatents, Inversion, InversionContext
from zeroshift.inversion.ddim import DDIMInversion
from zeroshift.inversion.direct import DirectInversion
from zeroshift.inversion.edit_friendly import EditFriendlyInversion
from zeroshift.inversion.negative_prompt import NegativePromptInversion
from zeroshift.inversion.noised import NoisedStart, RandomStart
from zeroshift.inversion.null_text import NullTextInversion
from zeroshift.inversion.redescription import Redescription
from zeroshift.inversion.regularised import RegularisedInversion
from zeroshift.inversion.value_embedding import ValueEmbedding

AnyInversion: TypeAlias = Annotated[
    DDIMInversion
    | RegularisedInversion
    | DirectInversion
    | EditFriendlyInversion
    | NegativePromptInversion
    | NullTextInversion
    | ValueEmbedding
    | NoisedStart
    | RandomStart
    | Redescription,
    Field(discriminator="kind"),
]

__all__ = [
    "AnyInversion",
    "DDIMInversion",
    "DirectInversion",
    "EditFriendlyInversion",
    "Inversion",
    "NegativePromptInversion",
    "NoisedStart",
    "NullTextInversion",
    "CleanLatents",
    "InversionContext",
    "RandomStart",
    "Redescription",
    "RegularisedInversion",
    "ValueEmbedding",
]
