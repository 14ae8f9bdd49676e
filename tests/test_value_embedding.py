"""StyleDiffusion's inversion against plain loops over torch's own layers, and what it promises."""

from dataclasses import replace

import pytest
import torch

from tests.runs import apart, clean, last, plan, prompts
from tests.value_embedding import FEW, SCALE, STEPS, inverted, learned, photograph
from zeroshift.conditioning import EditDirection, Prompts
from zeroshift.diffusion.embedding import Embedding
from zeroshift.diffusion.prediction import predict
from zeroshift.diffusion.sites import select, tapped
from zeroshift.diffusion.trajectory import Learned, load_trajectory, save_trajectory
from zeroshift.inversion import ValueEmbedding
from zeroshift.inversion.base import CleanLatents
from zeroshift.methods import DDIM

# one of two pictures ends the first step before the other
STOPS = {"affine": 0.7, "direct": 0.8}


@pytest.mark.parametrize("mapping", ["affine", "direct"])
def test_it_is_the_descriptions_algorithm_for_every_picture_on_its_own(tiny, mapping):
    options = replace(FEW, mapping=mapping, stop_loss=STOPS[mapping])
    whole, trajectory = photograph(tiny, 2), inverted(tiny, options, 2)
    for k in range(2):
        given = CleanLatents(whole.pictures[k : k + 1], whole.x0[k : k + 1], prompts(tiny))
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
