"""What the two branches are told at every step."""

from typing import Annotated, TypeAlias

from pydantic import Field

from zeroshift.conditioning.prompts import Prompts
from zeroshift.conditioning.rich import RichPrompts
from zeroshift.conditioning.shift import EditDirection

AnyConditioning: TypeAlias = Annotated[EditDirection | Prompts | RichPrompts, Field(discriminator="kind")]

__all__ = ["AnyConditioning", "EditDirection", "Prompts", "RichPrompts"]
