"""Compiling the parts of a UNet that nothing is done to from outside (``torch.compile``)."""

from collections.abc import Iterator

from diffusers import UNet2DConditionModel
from diffusers.models.attention import FeedForward
from diffusers.models.downsampling import Downsample2D
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.upsampling import Upsample2D
from torch import nn

from zeroshift.backbones.sharing import before_text

CLOSED = (ResnetBlock2D, FeedForward, Downsample2D, Upsample2D)
"""what a control never opens; of a residual block that it does, the parts are called one by one"""


def closed_parts(unet: UNet2DConditionModel) -> Iterator[nn.Module]:
    """Yield the parts that are compiled.

    Attention stays as it is: taps listen there, it is one kernel already, and a pass that ends early ends there, out
    of all that is compiled. So do the layers before the text, whose rows are narrowed from outside at every pass.
    """
    narrowed = {name for name, _ in before_text(unet)}
    for name, part in unet.named_modules():
        if isinstance(part, CLOSED) and name not in narrowed:
            yield part


def compile_parts(unet: UNet2DConditionModel, backend: str = "inductor") -> None:
    """Have the closed parts compiled by one of torch's backends when they first run, which takes a while."""
    for part in closed_parts(unet):
        part.compile(backend=backend)
