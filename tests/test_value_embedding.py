"""StyleDiffusion's inversion against plain loops over torch's own layers, and what it promises."""

from copy import deepcopy
from dataclasses import dataclass, field, replace
from math import ceil, exp, log, sqrt

import pytest
import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from tests.runs import apart, clean, last, plan, prompts
from tests.tiny import tiny_backbone
from tests.watch import calls, installed
from zeroshift.backbones.base import Unsupported
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.conditioning import EditDirection, Prompts
from zeroshift.embedding import Embedding
from zeroshift.inversion import NullTextInversion, ValueEmbedding
from zeroshift.inversion.base import Photograph, Plan, finished
from zeroshift.inversion.fitting import DISTANCES, entropy
from zeroshift.inversion.mapping import draw_network, network_learner
from zeroshift.inversion.value_embedding import quarter_layers
from zeroshift.methods import DDIM
from zeroshift.network import predict
from zeroshift.sites import Site, select, tapped
from zeroshift.trajectory import Learned, Trajectory, load_trajectory, save_trajectory

STEPS, SCALE, SEED = 2, 7.5, 5
FEW = ValueEmbedding(inner_steps=3, inner_decay=0.5)
# one of two pictures ends the first step before the other
STOPS = {"affine": 0.7, "direct": 0.8}


def photograph(backbone: StableDiffusion, count: int) -> Photograph:
    pictures = torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(7)).double() * 2 - 1
    return Photograph(pictures, clean(count), prompts(backbone, count))


def inverted(
    backbone: StableDiffusion, inversion: ValueEmbedding, count: int = 1, only: int | None = None
) -> Trajectory:
    whole = photograph(backbone, count)
    chosen = slice(None) if only is None else slice(only, only + 1)
    given = Photograph(whole.pictures[chosen], whole.x0[chosen], prompts(backbone, len(whole.x0[chosen])))
    return finished(inversion.invert(backbone, given, Plan(STEPS, SCALE, SEED)))


@dataclass
class Valued:
    """Attention whose values see something of their own, and that keeps its probabilities."""

    values: list[Tensor | None]
    """one entry, shared by all layers"""
    probs: Tensor = field(default_factory=lambda: torch.empty(0))

    def __call__(self, attn: Attention, hidden_states: Tensor, encoder_hidden_states: Tensor, attention_mask=None):
        seen = encoder_hidden_states if self.values[0] is None else self.values[0]
        q, k, v = attn.to_q(hidden_states), attn.to_k(encoder_hidden_states), attn.to_v(seen)
        q, k, v = (x.unflatten(2, (attn.heads, -1)).transpose(1, 2) for x in (q, k, v))
        self.probs = torch.softmax(q @ k.transpose(2, 3) / q.shape[-1] ** 0.5, -1)
        return attn.to_out[0]((self.probs @ v).transpose(1, 2).flatten(2))


class Oracle:
    """A copy of the network; everything one picture at a time."""

    def __init__(self, backbone: StableDiffusion) -> None:
        self.unet, self.values = deepcopy(backbone.unet), [None]
        self.layers = {}
        for name, module in self.unet.named_modules():
            if name.endswith("attn2"):
                self.layers[name] = Valued(self.values)
                module.set_processor(self.layers[name])
        self.alphas = backbone.scheduler.alphas_cumprod.double()

    def __call__(self, x: Tensor, t: int, tokens: Tensor, values: Tensor | None = None) -> Tensor:
        self.values[0] = values
        return self.unet(x, t, encoder_hidden_states=tokens).sample

    def maps(self) -> list[Tensor]:
        """Return the maps of the coarsest side that encoder and decoder both have: half the latent's here."""
        return [v.probs for name, v in self.layers.items() if name.startswith(("down_blocks.1", "up_blocks.1"))]

    def move(self, x: Tensor, eps: Tensor, left: int, reached: int) -> Tensor:
        a, b = self.alphas[max(left, 0)], self.alphas[max(reached, 0)]
        return b.sqrt() * (x - (1 - a).sqrt() * eps) / a.sqrt() + (1 - b).sqrt() * eps


def torch_network(inputs: int, length: int, outputs: int, seed: int) -> nn.Sequential:
    """Return the mapping network in torch's layers, in training mode, with our starting weights."""
    hidden = 2 * length
    net = nn.Sequential(
        nn.Conv1d(inputs, hidden, 1),
        nn.Conv1d(hidden, hidden, 1),
        nn.BatchNorm1d(hidden),
        nn.LeakyReLU(0.01),
        nn.Conv1d(hidden, outputs, 1),
    ).double()
    with torch.no_grad():
        for theirs, ours in zip(net.parameters(), draw_network(inputs, hidden, outputs, 1, seed), strict=True):
            theirs.copy_(ours.reshape(theirs.shape))
    return net.train()


def learned(backbone: StableDiffusion, given: Photograph, mapping: str, options: ValueEmbedding):
    """Return (path, scales, shifts), StyleDiffusion's training written from its description."""
    net, stride = Oracle(backbone), 1000 // STEPS
    c, empty = given.prompt.tokens, backbone.embed([""]).tokens
    wanted, kept = [given.x0], []
    for k in range(STEPS):
        t = 1 + stride * k
        with torch.no_grad():
            wanted.append(net.move(wanted[-1], net(wanted[-1], t, c), t - stride, t))
        kept.append(net.maps())
    kept.append(kept[-1])  # the noisiest latent is never asked about
    tokens, length = backbone.image_tokens(given.pictures), c.shape[1]
    m = torch_network(tokens.shape[1], length, 2 * length if mapping == "affine" else length, SEED)
    x, path, scales, shifts = wanted[-1], [wanted[-1]], [], []
    for i in range(STEPS):
        t = 1 + stride * (STEPS - 1 - i)
        adam = torch.optim.Adam(m.parameters(), lr=1e-2 * (1 - i / 100))
        with torch.no_grad():
            eps_empty = net(x, t, empty)

        def values(m=m) -> tuple[Tensor, Tensor]:
            out = m(tokens)
            return (out[:, :length], out[:, length:]) if mapping == "affine" else (torch.zeros_like(out), out)

        def step(s: Tensor, b: Tensor, x=x, t=t, eps_empty=eps_empty) -> Tensor:
            eps = eps_empty + SCALE * (net(x, t, c, c * s + b) - eps_empty)
            return net.move(x, eps, t, t - stride)

        for _ in range(ceil(options.inner_steps * exp(-options.inner_decay * i))):
            loss = ((step(*values()) - wanted[STEPS - i - 1]) ** 2).mean()
            for mine, theirs in zip(net.maps(), kept[STEPS - i], strict=True):
                loss = loss + ((mine - theirs) ** 2).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            if loss < options.stop_loss + 2 * options.stop_loss * i:
                break
        with torch.no_grad():
            s, b = values()
            x = step(s, b)
        path.append(x)
        scales.append(s)
        shifts.append(b)
    return path, scales, shifts


@pytest.mark.parametrize("mapping", ["affine", "direct"])
def test_it_is_the_descriptions_algorithm_for_every_picture_on_its_own(tiny, mapping):
    options = replace(FEW, mapping=mapping, stop_loss=STOPS[mapping])
    whole, trajectory = photograph(tiny, 2), inverted(tiny, options, 2)
    for k in range(2):
        given = Photograph(whole.pictures[k : k + 1], whole.x0[k : k + 1], prompts(tiny))
        path, scales, shifts = learned(tiny, given, mapping, options)
        ours = (trajectory.latents, trajectory.learned.scales, trajectory.learned.shifts)
        for mine, theirs in zip(ours, (path, scales, shifts), strict=True):
            assert max(apart(a[k : k + 1], b) for a, b in zip(mine, theirs, strict=True)) <= 1e-10


@pytest.fixture(scope="module")
def ordinary(tiny):
    return inverted(tiny, ValueEmbedding(inner_steps=2, inner_decay=0.0), 2)


@pytest.mark.parametrize(
    "options",
    [
        {"learn": "direct"},
        {"learn": "random-clamped"},
        {"block_num": 2, "attention_loss": "l1", "entropy_weight": 0.1},
        {"attention_loss": "l2", "clean_weight": 0.5},
        {"attention_weight": 0.0, "clip_weight": 0.5, "block_num": 0},
    ],
    ids=lambda options: " ".join(options),
)
def test_every_option_treats_pictures_on_their_own_and_tells(tiny, ordinary, options):
    inversion = ValueEmbedding(inner_steps=2, inner_decay=0.0, **options)
    both = inverted(tiny, inversion, 2)
    assert apart(both.latents[-1], ordinary.latents[-1]) > 1e-6
    for k in range(2):
        alone = inverted(tiny, inversion, 2, only=k)
        assert max(apart(a[k : k + 1], b) for a, b in zip(both.latents, alone.latents, strict=True)) <= 1e-10
    if "learn" in options and options["learn"] == "random-clamped":
        assert all(b.abs().max() <= 1 for b in both.learned.shifts) and not any(s.any() for s in both.learned.scales)


@pytest.mark.parametrize("conditioning", [Prompts(strength=0), EditDirection(strength=0, sentences=20)])
def test_nothing_edited_is_the_reconstruction(tiny, conditioning):
    """The target branch is not told: it samples its way to the stored path's end."""
    chosen = DDIM(steps=STEPS, guidance_scale=SCALE, inversion=FEW, conditioning=conditioning)
    trajectory = inverted(tiny, FEW, 2)
    step = last(tiny, trajectory, [plan(tiny, chosen, trajectory).branch])
    assert apart(step.targets[0], step.source) <= 1e-10
    assert torch.equal(step.source, trajectory.latents[-1])


def test_a_saved_inversion_edits_as_the_fresh_one(tiny, tmp_path):
    chosen, trajectory = DDIM(steps=STEPS, guidance_scale=SCALE, inversion=FEW), inverted(tiny, FEW)
    save_trajectory(trajectory, tmp_path / "kept.safetensors", {"model_sha256": tiny.identity.sha256})
    kept, _ = load_trajectory(tmp_path / "kept.safetensors", tiny)
    fresh, again = (last(tiny, t, [plan(tiny, chosen, t).branch]).targets[0] for t in (trajectory, kept))
    assert torch.equal(fresh, again) and kept.sha256(0) == trajectory.sha256(0)


def test_scale_one_and_shift_zero_change_nothing(tiny):
    chosen = DDIM(steps=STEPS, guidance_scale=SCALE, inversion=FEW)
    trajectory = inverted(tiny, FEW)
    ones = [torch.ones_like(s) for s in trajectory.learned.scales]
    neutral = Learned(scales=ones, shifts=[torch.zeros_like(s) for s in ones])
    with_values, without = (replace(trajectory, learned=learned) for learned in (neutral, Learned()))
    ends = [last(tiny, t, [plan(tiny, chosen, t).branch]).targets[0] for t in (with_values, without, trajectory)]
    assert apart(ends[0], ends[1]) <= 1e-10 < 1e-3 < apart(ends[2], ends[1])


def test_keys_never_change_and_the_first_map_with_them(tiny):
    """What is learned reaches values at once, later layers' maps through q, and keys never."""
    tokens, x = prompts(tiny).tokens, clean(1)
    values = torch.randn(tokens.shape, generator=torch.Generator().manual_seed(0)).double()
    seen = [{}, {}]

    for text, kept in zip((Embedding(tokens), Embedding(tokens, values)), seen, strict=True):

        def keep(site, part, compute, kept=kept):
            kept[site, part] = compute()
            return kept[site, part]

        wanted = select("cross", "k", "v", "probs")
        with torch.no_grad(), tapped(tiny, wanted) as taps, taps.listening(keep, wanted):
            predict(tiny, taps, x, 1, text)
    plain, told = seen
    cross = [site for site in tiny.sites if site.kind == "cross"]
    assert all(torch.equal(plain[site, "k"], told[site, "k"]) for site in cross)
    assert all(apart(plain[site, "v"], told[site, "v"]) > 1e-3 for site in cross)
    same = [torch.equal(plain[site, "probs"], told[site, "probs"]) for site in cross]
    assert same == [True] + [False] * (len(cross) - 1)


class Counting(TorchFunctionMode):
    """Counts evaluations of the mapping network: it alone has leaky rectifiers, one per block."""

    count = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.count += function is F.leaky_relu
        return function(*args, **(kwargs or {}))


def test_nothing_is_computed_twice(tiny):
    """T rows up; per step the empty prompt's once, the optimisation, one more; networks at all but the first of them.

    The image encoder sees each picture once.
    """
    options = ValueEmbedding(inner_steps=2, inner_decay=0.0, stop_loss=0.0)
    before, encoded = installed(tiny.unet), []
    hook = tiny.clip.vision.register_forward_pre_hook(
        lambda _module, _args, named: encoded.append(len(named["pixel_values"])), with_kwargs=True
    )
    with calls(tiny.unet) as rows, Counting() as networks:
        inverted(tiny, options, 2)
    hook.remove()
    assert rows == [2] * (STEPS + STEPS * (1 + 2 + 1))
    assert networks.count == STEPS * (2 + 1)
    assert encoded == [2]
    assert installed(tiny.unet) == before
    own = (tiny.unet, tiny.vae, tiny.text_encoder, tiny.clip.vision)
    assert all(p.grad is None and not p.requires_grad for network in own for p in network.parameters())


def test_every_step_comes_closer(tiny):
    """With a small learning rate and the reconstruction's loss alone, more optimisation lands closer."""
    options = ValueEmbedding(learning_rate=1e-4, stop_loss=0.0, attention_weight=0.0)
    target = walked(tiny, clean(1))
    paths = [inverted(tiny, replace(options, inner_steps=n)).latents[1] for n in (1, 3)]
    errors = [(path - target).square().mean() for path in paths]
    assert errors[0] > errors[1]


def walked(backbone: StableDiffusion, x0: Tensor) -> Tensor:
    """Return the second noisiest latent of DDIM inversion."""
    net, c, x, stride = Oracle(backbone), prompts(backbone).tokens, x0, 1000 // STEPS
    for k in range(STEPS - 1):
        with torch.no_grad():
            x = net.move(x, net(x, 1 + stride * k, c), 1 + stride * (k - 1), 1 + stride * k)
    return x


def test_without_guidance_only_the_prompts_row_is_asked(tiny):
    options = ValueEmbedding(inner_steps=2, inner_decay=0.0, stop_loss=0.0)
    with calls(tiny.unet) as rows:
        finished(options.invert(tiny, photograph(tiny, 1), Plan(STEPS, 1.0, SEED)))
    assert rows == [1] * (STEPS + STEPS * (2 + 1))


def test_counts_and_sizes_are_the_papers():
    assert [ValueEmbedding().iterations(steps) for steps in (30, 50)] == [1015, 1071]
    assert sum(p.numel() for p in draw_network(197, 154, 154, 1, 0)) == 78_540


def test_weights_begin_as_torchs_do():
    """Uniform within one over the root of the inputs, the same for the same seed."""
    first, again, other = (draw_network(100, 40, 40, 1, seed) for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True)) and not torch.equal(first[0], other[0])
    assert 0.099 < first[0].abs().max() <= 0.1 and 0.15 < first[2].abs().max() <= 1 / sqrt(40)


def test_pictures_begin_with_the_same_network_and_see_their_own_tokens():
    tokens = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0)).double()
    learner = network_learner(tokens, 3, "affine", 1, 0)
    scale, shift = learner.read(learner.start, torch.arange(2))
    assert scale.shape == shift.shape == (2, 3, 8) and apart(scale[0], scale[1]) > 0.1
    alone = learner.read(tuple(p[1:] for p in learner.start), torch.tensor([1]))
    assert apart(alone[0][0], scale[1]) <= 1e-12


def test_distances_and_entropy_by_hand():
    x = torch.tensor([[[1.0, -2.0], [3.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]]).double().requires_grad_()
    values = {name: distance(x) for name, distance in DISTANCES.items()}
    assert {name: v[0].item() for name, v in values.items()} == pytest.approx({"mse": 3.5, "l1": 1.5, "l2": sqrt(3.5)})
    gradient = torch.autograd.grad(values["l2"].sum(), x)[0]
    assert gradient.isfinite().all() and not gradient[1].any()
    maps = torch.tensor([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]).double()[:, None, None].requires_grad_()
    assert entropy(maps).tolist() == pytest.approx([log(2), 0.0])
    assert torch.autograd.grad(entropy(maps).sum(), maps)[0].isfinite().all()


def test_maps_are_compared_at_a_quarter_of_the_latents_side_or_the_next_that_there_is():
    def sites(*places: tuple[str, int]) -> tuple[Site, ...]:
        return tuple(Site(f"{k}", "cross", stage, scale, k) for k, (stage, scale) in enumerate(places))

    sd = sites(("down", 1), ("down", 2), ("down", 4), ("down", 4), ("mid", 8), ("up", 4), ("up", 2), ("up", 1))
    assert sorted(site.order for site in quarter_layers(sd)) == [2, 3, 5]
    small = sites(("down", 1), ("down", 2), ("mid", 4), ("up", 4), ("up", 2), ("up", 1))
    assert sorted(site.order for site in quarter_layers(small)) == [1, 4]
    with pytest.raises(Unsupported, match="turn it off: --attention-weight 0"):
        quarter_layers(sites(("down", 2), ("mid", 4), ("up", 4)))


def test_what_cannot_be_learned_is_refused(tiny):
    with pytest.raises(ValueError, match="falls to 0 at step 100"):
        DDIM(steps=101, inversion=ValueEmbedding())
    blind = replace(tiny, open_clip=None)
    with pytest.raises(Unsupported, match="has no CLIP image encoder"):
        inverted(blind, FEW)
    assert len(inverted(blind, replace(FEW, inner_steps=1, learn="direct")).learned.scales) == STEPS


@pytest.mark.parametrize("inversion", [FEW, NullTextInversion(inner_steps=3)], ids=lambda inversion: inversion.kind)
def test_half_precision_learns_as_much(tiny, inversion):
    """Only the network runs in it, and small gradients are not lost: nine tenths of the way at least."""

    def error(backbone: StableDiffusion, options: ValueEmbedding | NullTextInversion) -> float:
        given = photograph(backbone, 1)
        if backbone is not tiny:
            given = Photograph(given.pictures.float(), given.x0.float(), given.prompt)
        trajectory = finished(options.invert(backbone, given, Plan(STEPS, SCALE, SEED)))
        assert trajectory.latents[-1].dtype == given.x0.dtype
        return (trajectory.latents[-1].double() - clean(1)).square().mean().item()

    inversion = replace(inversion, learning_rate=0.05)
    learned, unlearned = error(tiny, inversion), error(tiny, replace(inversion, learning_rate=1e-9))
    assert learned < 0.9 * unlearned
    for dtype in (torch.float16, torch.bfloat16):
        assert error(tiny_backbone(dtype), inversion) < learned + 0.1 * (unlearned - learned)
