"""The model that a one-step student changes."""

from zeroshift.backbones import open_backbone
from zeroshift.backbones.checkpoint import find_checkpoint
from zeroshift.backbones.stable_diffusion import StableDiffusion

SHIPPED_BASE = "shipped"
"""the name of the model that comes with this package"""


class AnotherBase(ValueError):
    """The model that a student changes is not here, or is another one."""


def opened(model: str, sha256: str) -> StableDiffusion:
    """The checkpoint that a student changes, in float32 on the CPU.

    Raises:
        AnotherBase: it is another one, or of another kind.
    """
    backbone = open_backbone(find_checkpoint(None if model == SHIPPED_BASE else model, None, None), "cpu", "fp32")
    if not isinstance(backbone, StableDiffusion):
        raise AnotherBase(f"A one-step student changes a Stable Diffusion 1.x or 2.x; {model} is none.")
    if sha256 not in ("", backbone.identity.sha256):
        raise AnotherBase(f"This student changes another version of {model} ({sha256[:12]}) than is here; get that.")
    return backbone
