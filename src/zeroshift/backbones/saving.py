"""Taking less memory: pictures through the VAE one by one and in tiles, activations computed anew, networks at rest."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack
from torch.utils.checkpoint import checkpoint

from zeroshift.backbones.checkpoint import Memory

TILE = 512
"""side in pixels of the VAE's tiles, whatever the model: no smaller one changes a picture of Stable Diffusion 1.5"""
REST = torch.device("cpu")
"""where networks lie that do not work"""


class Saving:
    """Whether a loaded checkpoint takes less memory, for more time; it is told to once, and stays so.

    Args:
        memory: "low" from the start, "auto" from the moment when memory is short, "high" never.
        place: the device that networks come to for their work, and leave for the next one's; None: they stay.
    """

    def __init__(self, memory: Memory = "high", place: torch.device | None = None) -> None:
        self.memory, self.place = memory, place
        self.on = memory == "low"

    def begin(self) -> bool:
        """Save from now on; whether that is news and allowed."""
        news = self.memory == "auto" and not self.on
        self.on = self.on or news
        return news


def piecewise(vae: AutoencoderKL) -> None:
    """Let pictures through one by one, and in tiles of 512 pixels that overlap by a quarter."""
    vae.enable_slicing()
    vae.enable_tiling()
    vae.tile_sample_min_size = TILE
    vae.tile_latent_min_size = TILE >> (len(vae.config.block_out_channels) - 1)


@contextmanager
def computing_anew(unet: UNet2DConditionModel) -> Iterator[None]:
    """Let passes whose gradient is taken keep what lies between residual blocks and transformer blocks.

    What is inside is computed once more on the way back (Chen et al. 2016, arXiv:1604.06174).
    """
    unet.enable_gradient_checkpointing(_kept_between)
    try:
        yield
    finally:
        unet.disable_gradient_checkpointing()


def _kept_between(block: nn.Module, *args: Any) -> Any:  # noqa: ANN401 - a block's own arguments
    # nothing here is random
    return checkpoint(partial(block), *args, use_reentrant=False, preserve_rng_state=False, context_fn=_same_modes)


def _same_modes() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Contexts of a block's first and second run: who watches torch's functions in the first does in the second."""
    return nullcontext(), _Within(_get_current_function_mode_stack())


class _Within(AbstractContextManager[None]):
    """Modes that are entered each time anew: a block may run again for every row's gradient."""

    def __init__(self, modes: Sequence[TorchFunctionMode]) -> None:
        self.modes = modes

    def __enter__(self) -> None:
        for mode in self.modes:
            mode.__enter__()

    def __exit__(self, *error: object) -> None:
        for mode in reversed(self.modes):
            mode.__exit__(None, None, None)


def bring(working: tuple[nn.Module, ...], networks: tuple[nn.Module, ...], place: torch.device) -> None:
    """Move networks to their device, after all others have left it."""
    for network in networks:
        if network not in working:
            network.to(REST)
    for network in working:
        network.to(place)
