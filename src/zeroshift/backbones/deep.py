"""The deep half of a UNet as one part: all between the finest stage on the way down and the finest on the way up.

Neighbouring steps differ little there, so that what it gives may serve several of them (Ma et al. 2024, DeepCache,
arXiv:2312.00858). While the part is open, its blocks stand aside: each notes what it is called with, and the last asks
whoever listens; only if that wants it, the noted calls are made.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from zeroshift.diffusion.sites import Site, Taps


def deep_site(unet: UNet2DConditionModel, order: int) -> Site | None:
    """The deep half; None of a network of one stage, or without a middle."""
    if len(unet.down_blocks) < 2 or unet.mid_block is None:
        return None
    return Site("deep", "deep", "mid", 2, order)


@contextmanager
def opened(unet: UNet2DConditionModel, site: Site, taps: Taps) -> Iterator[None]:
    """Install ``taps`` at the deep half; put its blocks back on exit."""
    noted = Noted(site, taps)
    down, middle, up = list(unet.down_blocks), unet.mid_block, list(unet.up_blocks)
    try:
        for k in range(1, len(down)):
            unet.down_blocks[k] = Down(down[k], noted)
        unet.mid_block = Middle(middle, noted)
        for k in range(len(up) - 1):
            unet.up_blocks[k] = Up(up[k], noted, last=k == len(up) - 2)
        yield
    finally:
        for k, block in enumerate(down):
            unet.down_blocks[k] = block
        unet.mid_block = middle
        for k, block in enumerate(up):
            unet.up_blocks[k] = block


class Noted:
    """What the blocks of one pass were called with."""

    def __init__(self, site: Site, taps: Taps) -> None:
        self.site, self.taps = site, taps
        self.x: Tensor | None = None
        """what the deep half begins with"""
        self.calls: list[Callable[[Tensor, list[Tensor]], Tensor]] = []
        """from a latent and the shortcuts, which it changes, to the next latent"""

    def begin(self, x: Tensor) -> None:
        """Note where the deep half begins; of later blocks that is what the first was given."""
        self.x = x if self.x is None else self.x

    def end(self) -> Tensor:
        """What the deep half gives, by the listener's leave or made by the noted calls."""
        x, calls = self.x, self.calls
        self.x, self.calls = None, []
        assert x is not None

        def compute() -> Tensor:
            hidden, shortcuts = x, [x]
            for call in calls:
                hidden = call(hidden, shortcuts)
            return hidden

        return self.taps(self.site, "feature", compute)


class _Aside(nn.Module):
    """A block that stands aside; its parts are found under its own names."""

    def __init__(self, block: nn.Module, noted: Noted) -> None:
        super().__init__()
        for name, child in block.named_children():
            self.add_module(name, child)
        self.has_cross_attention = getattr(block, "has_cross_attention", False)
        self.block, self.noted = partial(block.__call__), noted  # no submodule again


class Down(_Aside):
    """A block on the way down; its shortcuts are not read by anybody outside."""

    def forward(self, hidden_states: Tensor, temb: Tensor, **given: Any) -> tuple[Tensor, tuple[Tensor, ...]]:  # noqa: ANN401
        self.noted.begin(hidden_states)

        def call(x: Tensor, shortcuts: list[Tensor]) -> Tensor:
            reached, left = self.block(hidden_states=x, temb=temb, **given)
            shortcuts.extend(left)
            out: Tensor = reached
            return out

        self.noted.calls.append(call)
        count = len(self.resnets) + len(getattr(self, "downsamplers", None) or ())  # type: ignore[arg-type]
        return hidden_states, (hidden_states,) * count


class Middle(_Aside):
    """The block in the middle."""

    def forward(self, hidden_states: Tensor, temb: Tensor, **given: Any) -> Tensor:  # noqa: ANN401
        self.noted.calls.append(lambda x, _: self.block(x, temb, **given))
        return hidden_states


class Up(_Aside):
    """A block on the way up; the last of the deep half gives what that gives."""

    def __init__(self, block: nn.Module, noted: Noted, last: bool) -> None:
        super().__init__(block, noted)
        self.last = last

    def forward(
        self,
        hidden_states: Tensor,
        temb: Tensor,
        res_hidden_states_tuple: tuple[Tensor, ...],
        **given: Any,  # noqa: ANN401
    ) -> Tensor:
        count = len(res_hidden_states_tuple)

        def call(x: Tensor, shortcuts: list[Tensor]) -> Tensor:
            own = tuple(shortcuts[-count:])
            del shortcuts[-count:]
            out: Tensor = self.block(hidden_states=x, temb=temb, res_hidden_states_tuple=own, **given)
            return out

        self.noted.calls.append(call)
        return self.noted.end() if self.last else hidden_states
