"""The way into the network: what is read is right, what does nothing changes nothing, what goes in comes out."""

import pytest
import torch
from torch import Tensor

from tests.reading import inputs, predict_through, record_all, unchanged
from tests.watch import OpenAttention, installed, running_order
from zeroshift.diffusion.sites import NOTHING, Compute, Part, Selection, Site, select, tapped


@pytest.mark.parametrize(
    "wanted", [select("cross", "q", "k", "v"), select("self", "q", "k", "v"), select("conv", "feature")]
)
@torch.no_grad()
def test_reading_without_probabilities_changes_no_bit(tiny, wanted: Selection):
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
    both = [site for site in tiny.sites if site.kind in ("cross", "self")]
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
    seen = record_all(tiny, lambda site: frozenset(everything.get(site.kind, ())))  # the deep half has others in it
    assert [(s, p) for s, p, _ in seen] == [(s, p) for s in tiny.sites for p in everything.get(s.kind, ())]


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
    assert short == full[: len(short)] and short[-1] == f"{last.name}.to_k"
    assert f"{last.name}.to_out.0" in full[len(short) :] and full[-1] == "conv_out"


@torch.no_grad()
def test_only_the_chosen_sites_are_touched(tiny):
    chosen = {s for s in tiny.sites if s.kind == "cross" and s.stage == "up"}
    with tapped(tiny, lambda s: frozenset({"q"}) if s in chosen else NOTHING) as taps:
        now = installed(tiny.unet)
        assert set(taps.sites) == chosen
    before = installed(tiny.unet)
    assert {name for name in now if now[name] != before[name]} == {f"{s.name}.processor" for s in chosen}
