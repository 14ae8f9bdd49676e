"""Every method under its name."""

from collections.abc import Mapping
from difflib import get_close_matches

from zeroshift.inversion.edit_friendly import EditFriendlyInversion
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
TRIES: tuple[tuple[str, Mapping[str, object]], ...] = (
    (USUAL, {"inversion": {"kind": EditFriendlyInversion.kind}}),
    (SDEdit.name, {}),
)
"""what is tried with which options, in this order, where the target is not clear in what the usual one made: an
inversion that leaves out the noisiest steps, after which faces lie where the photograph's did, and what keeps least of
the structure"""


def by_name(name: str) -> type[Method]:
    """The method of that name.

    Raises:
        ValueError: there is none.
    """
    for method in METHODS:
        if method.name == name:
            return method
    names = [method.name for method in METHODS]
    near = get_close_matches(name, names, n=1)
    meant = f"did you mean {near[0]}? All are" if near else "choose one of"
    raise ValueError(f'There is no method "{name}"; {meant}: {", ".join(names)}.')


__all__ = [
    "DDIM",
    "METHODS",
    "TRIES",
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
