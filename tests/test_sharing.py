"""Rows of one latent: what comes before the text is computed once, and nobody can tell but by counting."""

from dataclasses import replace

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from tests.runs import apart, clean, further_row, inverted, method, plan, translated
from tests.tiny import LENGTH, WIDTH, unet
from tests.watch import installed, seen_rows
from zeroshift.backbones.outline import outline_of_sd15
from zeroshift.backbones.sharing import before_text, layers_before_text, sharing
from zeroshift.cost.flops import forward_flops
from zeroshift.diffusion.embedding import Embedding, TextRows
from zeroshift.diffusion.prediction import guided, joined, predict
from zeroshift.diffusion.sites import NOTHING, Part, Recording, Selection, Site, Taps, nowhere, recorder, select, tapped
from zeroshift.methods import DDIM
from zeroshift.running.sampling import sample

EQUAL = 1e-10
FIRST = "down_blocks.0.attentions.0.transformer_blocks.0"
EARLY = ("conv_in", "down_blocks.0.resnets.0", f"{FIRST}.attn1", f"{FIRST}.attn2.to_q")


def texts(rows: int, count: int) -> TextRows:
    """Return different prompts that no words stand for."""
    tokens = torch.randn(rows, count, LENGTH, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(8))
    return TextRows(tuple(Embedding(t) for t in tokens), tuple(1.5 - k for k in range(rows)))


def only(name: str, part: Part) -> Selection:
    return lambda site: frozenset({part}) if site.name == name else NOTHING


def raw(backbone, x: Tensor, text: TextRows, timestep: int | Tensor, blocks: int, wanted: Selection = nowhere):
    """Return the network's output, and what is recorded on the way."""
    seen: Recording = {}
    with tapped(backbone, wanted) as taps, taps.listening(recorder(seen), wanted):
        return predict(backbone, taps, x, timestep, text, blocks=blocks), seen


@pytest.mark.parametrize("rows", [2, 3])
@pytest.mark.parametrize("count", [1, 2])
@torch.no_grad()
def test_a_shared_prediction_is_the_plain_one_of_fewer_rows(tiny, rows, count):
    text, x = texts(rows, count), clean(count)
    for timestep in (321, torch.tensor([321, 77])[:count].repeat(rows)):
        plain, _ = raw(tiny, x.repeat(rows, 1, 1, 1), text, timestep, 1)
        with seen_rows(tiny.unet, *EARLY, "conv_out") as ran:
            shared, _ = raw(tiny, x.repeat(rows, 1, 1, 1), text, timestep, rows)
        assert apart(shared, plain) <= EQUAL
        assert ran == {**{name: [count] for name in EARLY}, "conv_out": [rows * count]}


@pytest.mark.parametrize("rows", [2, 3])
@pytest.mark.parametrize("count", [1, 2])
def test_every_row_keeps_its_own_gradient(tiny, rows, count):
    """At rows that are a leaf, at the latent they are made of, and at prompts."""
    text, weights = texts(rows, count), clean(rows * count)
    x, leaf = clean(count).repeat(rows, 1, 1, 1).requires_grad_(), clean(count).requires_grad_()
    tokens = [e.tokens.requires_grad_() for e in text.embeddings]
    found = []
    for blocks in (1, rows):
        loss = (raw(tiny, x, text, 321, blocks)[0] * weights).square().sum()
        found.append(torch.autograd.grad(loss, [x, *tokens]))
    for plain, shared in zip(*found, strict=True):
        assert apart(plain, shared) <= EQUAL * float(plain.abs().max())
    of_rows = found[0][0].unflatten(0, (rows, count))
    assert apart(of_rows[0], of_rows[1]) > 1e-3  # blocks differ, though their latents do not
    assert joined((leaf,) * rows)[1] == rows
    loss = (raw(tiny, *joined((leaf,) * rows)[:1], text, 321, rows)[0] * weights).square().sum()
    (whole,) = torch.autograd.grad(loss, leaf)
    assert apart(whole, of_rows.sum(0)) <= EQUAL * float(whole.abs().max())


@pytest.mark.parametrize(
    ("name", "part"),
    [
        (f"{FIRST}.attn1", "q"),
        (f"{FIRST}.attn1", "probs"),
        (f"{FIRST}.attn1", "output"),
        ("down_blocks.0.resnets.0.conv2", "feature"),
        (f"{FIRST}.attn2", "q"),
        (f"{FIRST}.attn2", "probs"),
    ],
)
@torch.no_grad()
def test_what_is_recorded_has_all_rows(tiny, name, part):
    text, x = texts(2, 2), clean(2).repeat(2, 1, 1, 1)
    wanted = only(name, part)
    (plain, ours), (shared, theirs) = (raw(tiny, x, text, 321, blocks, wanted) for blocks in (1, 2))
    assert apart(shared, plain) <= EQUAL and ours.keys() == theirs.keys() and len(ours) == 1
    for key, value in ours.items():
        assert value.shape == theirs[key].shape and apart(value, theirs[key]) <= EQUAL


@torch.no_grad()
def test_nothing_is_shared_from_a_layer_on_that_is_replaced(tiny):
    """What is put there may tell rows apart."""
    text, x = texts(2, 1), clean(1).repeat(2, 1, 1, 1)
    wanted = only("down_blocks.0.resnets.0.conv2", "feature")

    def other(_site: Site, _part: Part, compute) -> Tensor:
        return compute() * torch.tensor([1.0, 2.0]).double()[:, None, None, None]

    found = []
    for blocks in (1, 2):
        with tapped(tiny, wanted) as taps, taps.listening(other, wanted), seen_rows(tiny.unet, *EARLY[2:]) as ran:
            found.append(predict(tiny, taps, x, 321, text, blocks=blocks))
        assert set(map(tuple, ran.values())) == {(2,)}
    assert apart(*found) <= EQUAL


def test_hooks_are_put_in_once_for_a_network(tiny, monkeypatch):
    """Not for every pass, and not for a copy that differs in its settings alone."""
    before, later = installed(tiny.unet), []
    monkeypatch.setattr(torch.nn.Module, "register_forward_pre_hook", lambda *_: later.append("before"))
    monkeypatch.setattr(torch.nn.Module, "register_forward_hook", lambda *_, **__: later.append("after"))
    for backbone in (tiny, replace(tiny, compiled=True)):
        translated(backbone, method(2), clean(1), reconstruct=False)
    assert not later and installed(tiny.unet) == before
    assert [once.blocks for _, once in layers_before_text(tiny.unet)] == [1] * len([*before_text(tiny.unet)])


def test_a_prediction_leaves_nothing_even_if_it_fails(tiny):
    before, text = installed(tiny.unet), texts(2, 1)
    guided(tiny, Taps(()), (clean(1),), 321, text)
    assert installed(tiny.unet) == before
    with pytest.raises(RuntimeError):
        guided(tiny, Taps(()), (clean(1)[:, :3],), 321, text)
    assert installed(tiny.unet) == before
    with tapped(tiny, select("cross", "probs")) as taps, taps.listening(recorder({}), select("cross", "probs"), True):
        guided(tiny, taps, (clean(1),), 321, text)
    assert installed(tiny.unet) == before


@torch.no_grad()
def test_only_rows_of_one_latent_are_shared(tiny):
    text, x = texts(2, 1), clean(1)
    for latents, rows in (((x,), 1), ((x, x), 1), ((x, x.clone()), 2)):
        with seen_rows(tiny.unet, "conv_in") as ran:
            guided(tiny, Taps(()), latents, 321, text)
        assert ran == {"conv_in": [rows]}


def test_an_edit_computes_early_layers_for_half_the_rows(tiny):
    """Inversion has one row per step, the source two of one latent, the gradient too; guided rows go apart."""
    steps, first = 4, "down_blocks.0.resnets.0"
    with seen_rows(tiny.unet, first, "conv_out") as ran:
        translated(tiny, DDIM(steps=steps), clean(1), reconstruct=False)
    assert ran == {first: [1] * steps + [1] * steps, "conv_out": [1] * steps + [2] * steps}
    chosen = method(steps)
    trajectory = inverted(tiny, chosen, clean(1))
    edit = plan(tiny, chosen, trajectory).branch
    with seen_rows(tiny.unet, "conv_in") as ran:
        next(sample(tiny, trajectory, [edit]))
    assert ran == {"conv_in": [1, 1, 2]}


def other_network(**options: object) -> UNet2DConditionModel:
    torch.manual_seed(4)
    config = {**unet().config, **options}
    del config["_use_default_values"]  # or from_config drops those of the options that it names
    return UNet2DConditionModel.from_config(config).double().requires_grad_(False)


def test_text_in_the_timesteps_embedding_tells_rows_apart_from_the_start():
    network = other_network(addition_embed_type="text", addition_embed_type_num_heads=2)
    assert [name for name, _ in before_text(network)] == ["conv_in"]


def test_options_of_other_networks_arrive():
    block = other_network(use_linear_projection=True).down_blocks[0].attentions[0]
    assert isinstance(block.proj_in, torch.nn.Linear)


@pytest.mark.parametrize(
    ("options", "last"),
    [
        ({"down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D")}, "down_blocks.1"),
        ({"use_linear_projection": True}, "down_blocks.0"),
        ({"down_block_types": ("DownBlock2D",) * 3}, "down_blocks.2"),
    ],
)
@torch.no_grad()
def test_networks_that_begin_otherwise_share_what_they_have(options, last):
    network = other_network(**options)
    names = [name for name, _ in before_text(network)]
    assert names[-1].startswith(last) and names[-1].endswith("to_q") is ("down_blocks.2" not in last)
    tokens = texts(2, 1).tokens
    x = clean(1).repeat(2, 1, 1, 1)
    plain = network(x, 321, tokens).sample
    with seen_rows(network, *names) as ran, sharing(network, 2, ()):
        shared = network(x, 321, tokens).sample
    assert apart(plain, shared) <= EQUAL and set(map(tuple, ran.values())) == {(1,)}


@torch.no_grad()
def test_a_network_of_other_blocks_shares_its_first_convolution():
    network = other_network(down_block_types=("AttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"))
    assert [name for name, _ in before_text(network)] == ["conv_in"]
    tokens, x = texts(2, 1).tokens, clean(1).repeat(2, 1, 1, 1)
    plain = network(x, 321, tokens).sample
    with sharing(network, 2, ()):
        shared = network(x, 321, tokens).sample
    assert apart(plain, shared) <= EQUAL


@pytest.mark.slow  # measures the large network; that shares are counted right is seen on the tiny ones
def test_share_of_stable_diffusion():
    """By hand, 512 x 512: two operations per multiplication, a grid of 64 x 64, 320 channels."""
    cells, wide = 64 * 64, 320
    convolutions = 2 * cells * 9 * (4 * wide + 2 * wide * wide) + 2 * 4 * wide * wide
    into, queries, projections = (2 * n * cells * wide * wide for n in (1, 1, 4))
    attention = 2 * 2 * cells * cells * wide
    # the timestep's part of the residual block, 1280 channels wide, is counted in the first line
    by_hand = convolutions + into + queries + projections + attention
    outline = outline_of_sd15()
    whole = forward_flops(outline, torch.zeros(1, 4, 64, 64, device="meta"))
    further = 1 - by_hand / whole
    assert further_row(outline, torch.zeros(1, 4, 64, 64, device="meta")) == pytest.approx(further, rel=1e-12)
    assert 1 - further == pytest.approx(0.0525, abs=1e-3)
