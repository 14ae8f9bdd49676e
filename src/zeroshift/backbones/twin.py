"""A loaded backbone once more, on the meta device, where shapes flow and nothing is computed or held."""

from copy import deepcopy
from dataclasses import fields, replace
from typing import Any, cast

from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes

from zeroshift.backbones.clip import Towers
from zeroshift.backbones.saving import Saving
from zeroshift.backbones.sdxl import StableDiffusionXL
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.diffusion.backbone import Backbone, Clip
from zeroshift.diffusion.lock import NetworkLock


def twin(backbone: Backbone, *, saving: bool | None = None) -> Backbone:
    """The same backbone without its weights: networks that take and give shapes alone.

    ``saving`` says whether it saves memory; None: if the backbone does.
    """
    assert isinstance(backbone, StableDiffusion | StableDiffusionXL)
    with backbone.lock.held():  # else a run's taps would be copied with the network
        parts = {field.name: without_values(getattr(backbone, field.name)) for field in fields(backbone)}

    def opened() -> Clip:
        with _disable_current_modes():  # its weights were there before, whatever counts what a run makes
            return cast(Clip, without_values(backbone.clip))

    saves = backbone.saving.on if saving is None else saving
    own = {
        "lock": NetworkLock(),
        "open_clip": backbone.open_clip and opened,
        "widens": False,
        "saving": Saving("low" if saves else "high"),
    }
    return replace(backbone, **{**parts, **own})


def without_values(part: Any) -> Any:  # noqa: ANN401 - a backbone's parts are of many kinds
    """The part with meta tensors in the place of its own, whether it is a network, a tensor, or holds some."""
    match part:
        case nn.Module():
            return deepcopy(part, {id(x): without_values(x) for x in (*part.parameters(), *part.buffers())})
        case nn.Parameter():
            return nn.Parameter(part.to("meta"), requires_grad=False)
        case Tensor():
            return part.to("meta")
        case Towers():
            return replace(part, **{field.name: without_values(getattr(part, field.name)) for field in fields(part)})
        case tuple():
            return tuple(without_values(one) for one in part)
    return part
