"""Every method under its name."""

from zeroshift.methods.base import Method
from zeroshift.methods.ddim import DDIM
from zeroshift.methods.mirror_diffusion import MirrorDiffusion
from zeroshift.methods.pix2pix_zero import Pix2PixZero
from zeroshift.methods.plug_and_play import PlugAndPlay
from zeroshift.methods.prompt_to_prompt import PromptToPrompt
from zeroshift.methods.rediffuser import ReDiffuser
from zeroshift.methods.sdedit import SDEdit
from zeroshift.methods.style_diffusion import StyleDiffusion

METHODS: tuple[type[Method], ...] = (
    Pix2PixZero,
    DDIM,
    MirrorDiffusion,
    PlugAndPlay,
    PromptToPrompt,
    ReDiffuser,
    SDEdit,
    StyleDiffusion,
)

USUAL = PlugAndPlay.name
"""what edits unless somebody says otherwise"""
SECOND = SDEdit.name
"""what is tried where the target can hardly be seen in what the usual one made: it keeps least of the structure"""


def by_name(name: str) -> type[Method]:
    """The method of that name.

    Raises:
        ValueError: there is none.
    """
    for method in METHODS:
        if method.name == name:
            return method
    raise ValueError(f'There is no method "{name}"; choose one of: {", ".join(m.name for m in METHODS)}.')


__all__ = [
    "DDIM",
    "METHODS",
    "SECOND",
    "USUAL",
    "Method",
    "MirrorDiffusion",
    "Pix2PixZero",
    "PlugAndPlay",
    "PromptToPrompt",
    "ReDiffuser",
    "SDEdit",
    "StyleDiffusion",
    "by_name",
]
