"""Which layers are found in a network, in which order, and which kinds of them are accepted."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention, AttnProcessor, IPAdapterAttnProcessor2_0
from torch import Tensor, nn

from tests.reading import inputs, predict_through, record_all
from tests.tiny import WIDTH
from tests.watch import installed, running_order
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.backbones.unet import find_sites
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.diffusion.embedding import Embedding
from zeroshift.diffusion.sites import Compute, Part, Site, select, tapped

WIDTHS = (320, 640, 1280, 1280)
SD15 = {"sample_size": 64, "block_out_channels": WIDTHS, "cross_attention_dim": 768, "attention_head_dim": 8}


def of_layers(layers: int, depth: int) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(8,) * depth,
        down_block_types=("CrossAttnDownBlock2D",) * (depth - 1) + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * (depth - 1),
        layers_per_block=layers,
        cross_attention_dim=WIDTH,
        attention_head_dim=2,
        norm_num_groups=4,
    )


@pytest.mark.parametrize("build", [lambda: of_layers(1, 3), lambda: of_layers(2, 4), lambda: of_layers(3, 2), None])
@torch.no_grad()
def test_sites_stand_in_the_order_in_which_they_run(build):
    """Checked with hooks, on tiny networks and on Stable Diffusion 1.5's own (shapes alone, no weights)."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(**SD15) if build is None else build()
    *sites, deep = find_sites(unet)  # the last is the deep half, of many layers
    assert (deep.kind, deep.order) == ("deep", len(sites))
    with running_order({s.name: unet.get_submodule(s.name) for s in sites}) as names:
        width, side = unet.config.cross_attention_dim, unet.config.sample_size
        unet(torch.empty(1, 4, side, side, device="meta"), 1, torch.empty(1, 5, width, device="meta"))
    assert names == [s.name for s in sites]
    assert [s.order for s in sites] == list(range(len(sites)))
    kinds = {s.name: s.kind for s in sites}
    for name, module in unet.named_modules():
        if isinstance(module, Attention):
            assert kinds.pop(name) == ("cross" if name.endswith("attn2") else "self")
        if isinstance(module, nn.Conv2d) and name.endswith("conv2"):
            assert kinds.pop(name) == "conv"
    assert not kinds


@torch.no_grad()
def test_stable_diffusion_has_sixteen_cross_sites(tiny):
    with torch.device("meta"):
        unet = UNet2DConditionModel(**SD15)
    backbone = replace(tiny, unet=unet)
    cross = [s for s in backbone.sites if s.kind == "cross"]
    assert len(cross) == 16 == len([s for s in backbone.sites if s.kind == "self"])
    assert sum((64 // s.scale) ** 2 for s in cross) == 26_944
    shapes: list[tuple[int, ...]] = []

    def measure(site: Site, part: Part, compute: Compute) -> Tensor:
        probs = compute()
        shapes.append(tuple(probs.shape))
        return probs

    with tapped(backbone, select("cross", "probs")) as taps:
        with taps.listening(measure, select("cross", "probs"), stop=True):
            backbone.predict(
                torch.empty(2, 4, 64, 64, device="meta"), 1, Embedding(torch.empty(2, 77, 768, device="meta"))
            )
    assert shapes == [(2, 8, (64 // s.scale) ** 2, 77) for s in cross]


def with_adapter(backbone: StableDiffusion, index: int) -> StableDiffusion:
    """Return a copy of ``backbone`` whose cross-attention layer ``index`` has an image adapter's own weights."""
    changed = replace(backbone, unet=deepcopy(backbone.unet))
    layer = changed.unet.get_submodule([s.name for s in changed.sites if s.kind == "cross"][index])
    layer.set_processor(IPAdapterAttnProcessor2_0(layer.inner_dim, WIDTH).double())
    return changed


def test_layers_with_weights_of_their_own_are_refused(tiny):
    adapted = with_adapter(tiny, 3)
    before = installed(adapted.unet)
    with pytest.raises(Unsupported, match="attn2 runs IPAdapterAttnProcessor2_0.*without adapters"):
        with tapped(adapted, select("cross", "probs")):
            pass
    assert installed(adapted.unet) == before  # the layers before it were put back


@torch.no_grad()
def test_unfused_attention_is_accepted_too(tiny):
    plain = replace(tiny, unet=deepcopy(tiny.unet))
    plain.unet.set_attn_processor(AttnProcessor())
    assert (predict_through(plain, select("cross", "probs")) - tiny.predict(*inputs())).abs().max() <= 1e-12
    assert all(type(p) is AttnProcessor for p in plain.unet.attn_processors.values())


def test_half_precision_probabilities_are_float32(tiny):
    half = replace(tiny, unet=deepcopy(tiny.unet).to(torch.bfloat16))
    with torch.no_grad():
        seen = record_all(half, select("cross", "probs"))
    assert {x.dtype for _, _, x in seen} == {torch.float32}
