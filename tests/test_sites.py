"""The way into the network: what is read is right, what does nothing changes nothing, what goes in comes out."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention, AttnProcessor, IPAdapterAttnProcessor2_0
from torch import Tensor, nn

from tests.tiny import LENGTH, WIDTH
from tests.watch import OpenAttention, installed, running_order
from zeroshift.backbones.base import Unsupported
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.backbones.unet import find_sites
from zeroshift.sites import NOTHING, Compute, Part, Site, Wanted, select, tapped

WIDTHS = (320, 640, 1280, 1280)
SD15 = {"sample_size": 64, "block_out_channels": WIDTHS, "cross_attention_dim": 768, "attention_head_dim": 8}


def inputs() -> tuple[Tensor, int, Tensor]:
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(2, 4, 8, 8, dtype=torch.float64, generator=generator)
    return x, 321, torch.randn(2, LENGTH, WIDTH, dtype=torch.float64, generator=generator)


def unchanged(_site: Site, _part: Part, compute: Compute) -> Tensor:
    return compute()


def predict_through(backbone: StableDiffusion, wanted: Wanted, handler=unchanged) -> Tensor:
    with tapped(backbone, wanted) as taps, taps.listening(handler, wanted):
        return backbone.predict(*inputs())


def record_all(backbone: StableDiffusion, wanted: Wanted) -> list[tuple[Site, Part, Tensor]]:
    seen: list[tuple[Site, Part, Tensor]] = []

    def keep(site: Site, part: Part, compute: Compute) -> Tensor:
        seen.append((site, part, compute()))
        return seen[-1][2]

    predict_through(backbone, wanted, keep)
    return seen


@pytest.mark.parametrize(
    "wanted", [select("cross", "q", "k", "v"), select("self", "q", "k", "v"), select("conv", "feature")]
)
@torch.no_grad()
def test_reading_without_probabilities_changes_no_bit(tiny, wanted: Wanted):
    assert torch.equal(predict_through(tiny, wanted), tiny.predict(*inputs()))


@pytest.mark.parametrize("kind", ["cross", "self"])
@torch.no_grad()
def test_explicit_probabilities_change_nothing_but_rounding(tiny, kind: str):
    """To 1e-12 in float64: softmax in the open against the fused kernel."""
    through, plain = predict_through(tiny, select(kind, "probs")), tiny.predict(*inputs())
    assert (through - plain).abs().max() <= 1e-12


@pytest.mark.parametrize("kind", ["cross", "self"])
@torch.no_grad()
def test_probabilities_against_an_intercepted_attention(tiny, kind: str):
    """Second opinion: the fused attention function itself, intercepted in the untouched network."""
    seen = record_all(tiny, select(kind, "probs"))
    with OpenAttention() as mode:
        out = tiny.predict(*inputs())
    both = [site for site in tiny.sites if site.kind != "conv"]
    expected = [p for site, p in zip(both, mode.seen, strict=True) if site.kind == kind]
    assert len(seen) == len(expected) > 0
    for (_, _, ours), theirs in zip(seen, expected, strict=True):
        assert (ours - theirs).abs().max() <= 1e-12
        assert torch.allclose(ours.sum(-1), torch.ones((), dtype=torch.float64), rtol=0, atol=1e-14)
    assert (out - tiny.predict(*inputs())).abs().max() <= 1e-12


@torch.no_grad()
def test_what_a_handler_returns_is_used(tiny):
    expected = tiny.predict(*inputs())
    for wanted in (select("cross", "probs"), select("cross", "v"), select("self", "q"), select("conv", "feature")):
        changed = predict_through(tiny, wanted, lambda _site, _part, compute: compute() * 0.5)
        assert (changed - expected).abs().max() > 1e-3


@torch.no_grad()
def test_what_a_handler_replaces_is_not_computed(tiny):
    """Recorded queries and keys put back in their place give the same bits, without their projections."""
    seen = {(site, part): x for site, part, x in record_all(tiny, select("self", "q", "k"))}
    expected = tiny.predict(*inputs())
    projections = {name: m for name, m in tiny.unet.named_modules() if name.endswith(("attn1.to_q", "attn1.to_k"))}
    with running_order(projections) as full:
        tiny.predict(*inputs())
    with running_order(projections) as names:
        replaced = predict_through(tiny, select("self", "q", "k"), lambda site, part, _compute: seen[site, part])
    assert torch.equal(replaced, expected)
    assert len(full) == len(projections) == len(seen) and names == []


@torch.no_grad()
def test_everything_wanted_comes_once_and_in_order(tiny):
    everything = {"cross": ("q", "k", "v", "probs"), "self": ("q", "k", "v", "probs"), "conv": ("feature",)}
    seen = record_all(tiny, lambda site: frozenset(everything[site.kind]))
    assert [(s, p) for s, p, _ in seen] == [(s, p) for s in tiny.sites for p in everything[s.kind]]


@torch.no_grad()
def test_restored_afterwards(tiny):
    before, expected = installed(tiny.unet), tiny.predict(*inputs())
    with tapped(tiny, lambda site: frozenset({"q", "feature"})):
        assert installed(tiny.unet) != before
    assert installed(tiny.unet) == before
    assert torch.equal(tiny.predict(*inputs()), expected)


@torch.no_grad()
def test_restored_after_an_exception(tiny):
    before, expected = installed(tiny.unet), tiny.predict(*inputs())

    def fail(site: Site, part: Part, compute: Compute) -> Tensor:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_through(tiny, select("cross", "probs"), fail)
    assert installed(tiny.unet) == before
    assert torch.equal(tiny.predict(*inputs()), expected)


@torch.no_grad()
def test_taps_listen_again_after_an_exception(tiny):
    wanted = select("cross", "probs")
    with tapped(tiny, wanted) as taps:
        with pytest.raises(ZeroDivisionError), taps.listening(lambda s, p, compute: compute() * (1 // 0), wanted):
            tiny.predict(*inputs())
        silent = tiny.predict(*inputs())
        with taps.listening(unchanged, wanted):
            heard = tiny.predict(*inputs())
    assert torch.equal(silent, tiny.predict(*inputs())) and (heard - silent).abs().max() <= 1e-12


def test_what_never_runs_is_an_error(tiny):
    with tapped(tiny, select("cross", "probs")) as taps:
        with pytest.raises(RuntimeError, match="asked for but never ran: down_blocks.0.*attn2:probs"):
            with taps.listening(unchanged, select("cross", "probs")):
                pass
        with pytest.raises(RuntimeError, match="never ran"):  # a part that attention layers do not have
            with taps.listening(unchanged, select("cross", "feature")), torch.no_grad():
                tiny.predict(*inputs())


@torch.no_grad()
def test_the_pass_stops_after_the_last_wanted_site(tiny):
    wanted = select("cross", "probs")
    last = max((s for s in tiny.sites if s.kind == "cross"), key=lambda s: s.order)
    leaves = {name: m for name, m in tiny.unet.named_modules() if not list(m.children())}
    with running_order(leaves) as full:
        predict_through(tiny, wanted)
    with running_order(leaves) as short, tapped(tiny, wanted) as taps:
        with taps.listening(unchanged, wanted, stop=True):
            tiny.predict(*inputs())
            pytest.fail("the pass was to end inside the network")
    assert short == full[: len(short)] and short[-1] == f"{last.name}.to_v"
    assert f"{last.name}.to_out.0" in full[len(short) :] and full[-1] == "conv_out"


@torch.no_grad()
def test_only_the_chosen_sites_are_touched(tiny):
    chosen = {s for s in tiny.sites if s.kind == "cross" and s.stage == "up"}
    with tapped(tiny, lambda s: frozenset({"q"}) if s in chosen else NOTHING) as taps:
        now = installed(tiny.unet)
        assert set(taps.sites) == chosen
    before = installed(tiny.unet)
    assert {name for name in now if now[name] != before[name]} == {f"{s.name}.processor" for s in chosen}


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
    sites = find_sites(unet)
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
            backbone.predict(torch.empty(2, 4, 64, 64, device="meta"), 1, torch.empty(2, 77, 768, device="meta"))
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
