"""Identities of pix2pix-zero on a tiny random network in float64."""

import weakref
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.runs import STEPS, TASK, apart, clean, inverted, last, method, plan, prompts, source_of, translated
from tests.watch import calls
from zeroshift.backbones import unet
from zeroshift.conditioning.shift import EditDirection
from zeroshift.control.base import StepContext
from zeroshift.control.guidance import AttentionGuidance, gradient_of_rows
from zeroshift.diffusion.embedding import TextRows
from zeroshift.diffusion.sites import select, tapped
from zeroshift.diffusion.source_branch import record
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.inversion.base import CleanLatents, InversionContext
from zeroshift.inversion.ddim import DDIMInversion
from zeroshift.inversion.noise import draw_rolls
from zeroshift.inversion.noised import NoisedStart
from zeroshift.inversion.regularised import RegularisedInversion
from zeroshift.methods.pix2pix_zero import Pix2PixZero
from zeroshift.running.sampling import Branch, sample

EQUAL = 1e-10
STILL = EditDirection(sentences=20, strength=0.0)


def start(backbone, count: int = 1) -> Trajectory:
    return Trajectory(backbone.schedule(STEPS), (clean(count),))


def branch_of(backbone, chosen: Pix2PixZero, photograph: bool = True) -> Branch:
    return plan(backbone, chosen, start(backbone), photograph).branch


@pytest.fixture(params=["epsilon", "v_prediction"])
def backbone(request, tiny, tiny_v):
    return tiny if request.param == "epsilon" else tiny_v


def test_defaults_are_the_papers():
    default = Pix2PixZero()
    assert (default.steps, default.guidance_scale, default.control.lambda_xa) == (50, 5.0, 0.1)
    assert default.inversion == RegularisedInversion(lambda_ac=20, lambda_kl=20, reg_steps=5, ac_rolls=5)
    assert default.inversion.grid == "aligned"
    assert default.conditioning == EditDirection(strength=1.0, strength_schedule="constant", negative=None)


@pytest.mark.parametrize("photograph", [True, False])
def test_strength_zero_is_the_reconstruction(backbone, photograph: bool):
    """No short cut is taken: the passes run, and the gradient of equal maps is zero."""
    with calls(backbone.unet) as rows:
        branch = branch_of(backbone, method(conditioning=STILL), photograph)
        step = last(backbone, start(backbone), [branch])
    assert rows == [1 if photograph else 2, 2, 2] * STEPS and apart(step.targets[0], step.source) <= EQUAL


def test_strength_moves_the_edit_away(tiny):
    def moved(strength: float) -> float:
        conditioning = EditDirection(sentences=20, strength=strength)
        step = last(tiny, start(tiny), [branch_of(tiny, method(conditioning=conditioning))])
        return apart(step.targets[0], step.source)

    assert 1e-3 < moved(0.25) < moved(1.0) < moved(2.0)


def test_guidance_scale_one_still_edits(tiny):
    with calls(tiny.unet) as rows:
        step = last(tiny, start(tiny), [branch_of(tiny, method(guidance_scale=1.0))])
    assert rows == [1] * 3 * STEPS  # the negative row is not computed where it cannot matter
    assert apart(step.targets[0], step.source) > 1e-3


def attention_distance(backbone, trajectory: Trajectory, branch, x: Tensor, i: int) -> float:
    """Return the guidance loss of ``x`` at step ``i``, from the definition."""
    wanted, maps = select("cross", "probs"), []
    with tapped(backbone, wanted) as taps, torch.no_grad():
        steps = list(record(source_of(backbone, taps, trajectory, branch)))
        with taps.listening(lambda s, p, compute: maps.append((s, compute())) or maps[-1][1], wanted):
            text = branch.conditioning.target(i)
            backbone.predict(x.repeat(len(text), 1, 1, 1), trajectory.schedule.timesteps[i], text.stacked)
    return sum(float((v - steps[i].seen[s, "probs"]).square().sum()) / (2 * v.shape[1]) for s, v in maps)


def gradient_at(x: Tensor, here: StepContext) -> Tensor:
    return gradient_of_rows((x,), here, here.source.seen, here.text)


def here_at(backbone, taps, trajectory: Trajectory, branch, text: TextRows) -> StepContext:
    recorded = next(record(source_of(backbone, taps, trajectory, branch)))
    return StepContext(backbone, trajectory, taps, 0, text, (recorded,))


def test_gradient_is_the_numerical_derivative(backbone):
    trajectory, branch = start(backbone), branch_of(backbone, method())
    text, x = branch.conditioning.target(0), clean(2)[1:]
    with tapped(backbone, select("cross", "probs")) as taps, torch.no_grad():
        gradient = gradient_at(x, here_at(backbone, taps, trajectory, branch, text))
    assert len(gradient) == 2
    along, h = clean(3)[2:], 1e-5
    slope = (
        attention_distance(backbone, trajectory, branch, x + h * along, 0)
        - attention_distance(backbone, trajectory, branch, x - h * along, 0)
    ) / (2 * h)
    assert float((gradient * along).sum()) == pytest.approx(slope, rel=1e-5) and abs(slope) > 1e-6


def test_weight_is_in_units_of_stable_diffusion(backbone):
    """One step per row, of the weight times 26,944 over this network's own number of map pixels at this size."""
    x, wide = clean(1, 16, 12), Trajectory(backbone.schedule(STEPS), (clean(2, 16, 12)[1:],))
    branch = plan(backbone, method(control=AttentionGuidance(lambda_xa=0.3)), wide).branch
    text = branch.conditioning.target(0)
    with tapped(backbone, select("cross", "probs")) as taps, torch.no_grad():
        here = here_at(backbone, taps, wide, branch, text)
        gradient = gradient_at(x, here)
        rows = branch.control.correct(x, here).latents
    pixels = sum((16 // s.scale) * (12 // s.scale) for s in backbone.sites if s.kind == "cross")
    for row, slope in zip(rows, gradient.chunk(2), strict=True):
        assert apart(row, x - 0.3 * 26_944 / pixels * slope) <= EQUAL < 1e-4 < apart(row, x)


def test_rows_do_not_see_each_other(tiny):
    """A row's gradient is the same whichever other rows and pictures are computed with it."""
    trajectory = start(tiny, 2)
    branch = plan(tiny, method(), trajectory).branch
    text, x = branch.conditioning.target(0), clean(4)[2:]
    with tapped(tiny, select("cross", "probs")) as taps, torch.no_grad():
        both = gradient_at(x, here_at(tiny, taps, trajectory, branch, text)).unflatten(0, (2, 2))
        for row, embedding in enumerate(text.embeddings):
            alone = TextRows((embedding,), (1.0,))
            assert apart(gradient_at(x, here_at(tiny, taps, trajectory, branch, alone)), both[row]) <= EQUAL
        for n in range(2):
            single = Trajectory(trajectory.schedule, (trajectory.start[n : n + 1],))
            branch_one = plan(tiny, method(), single).branch
            here = here_at(tiny, taps, single, branch_one, branch_one.conditioning.target(0))
            assert apart(gradient_at(x[n : n + 1], here), both[:, n]) <= EQUAL


def test_negative_row_of_a_photograph_is_not_moved_at_first(tiny):
    trajectory, branch = start(tiny), branch_of(tiny, method())
    with tapped(tiny, select("cross", "probs")) as taps, torch.no_grad():
        here = here_at(tiny, taps, trajectory, branch, branch.conditioning.target(0))
        negative, prompt = branch.control.correct(trajectory.start, here).latents
    assert apart(negative, trajectory.start) <= EQUAL < 1e-4 < apart(prompt, trajectory.start)


@pytest.mark.parametrize("inversion", [RegularisedInversion(grid="official"), DDIMInversion(grid="official")])
def test_official_grid_needs_three_steps(tiny, inversion):
    for steps in (1, 2):
        with pytest.raises(ValueError, match=f"needs at least 3 steps, not {steps}; take more steps, or the aligned"):
            Pix2PixZero(steps=steps, inversion=inversion)
        with pytest.raises(ValueError, match="needs at least 3 steps"):
            next(
                inversion.invert(
                    tiny, CleanLatents(torch.zeros(()), clean(1), prompts(tiny)), InversionContext(steps, 5.0, (0,))
                )
            )
    # one step up, and the clean latent; a noised start has no other level than its own
    for some, steps, levels in ((inversion, 3, 2), (DDIMInversion(), 1, 2), (NoisedStart(), 1, 1)):
        assert len(inverted(tiny, method(steps=steps, inversion=some), clean(1)).latents) == levels


@pytest.mark.parametrize("inversion", [RegularisedInversion(), RegularisedInversion(grid="official"), DDIMInversion()])
def test_batch_of_pictures_is_single_pictures(tiny, inversion):
    each_alone(tiny, method(inversion=inversion))


def test_so_it_is_with_a_network_that_predicts_v(tiny_v):
    each_alone(tiny_v, method(inversion=RegularisedInversion(grid="official")))


def each_alone(backbone, chosen: Pix2PixZero) -> None:
    together = translated(backbone, chosen, clean(3, 16, 8))
    for n in range(3):
        alone = translated(backbone, chosen, clean(3, 16, 8)[n : n + 1])
        assert apart(together.targets[0][n : n + 1], alone.targets[0]) <= EQUAL
        assert apart(together.source[n : n + 1], alone.source) <= EQUAL


def test_batch_of_pictures_is_single_pictures_for_a_noised_start(tiny):
    chosen = method(inversion=NoisedStart())
    together = translated(tiny, chosen, clean(2)).targets[0]
    assert apart(together[1:], translated(tiny, chosen, clean(2)[1:]).targets[0]) <= EQUAL


def test_replayed_trajectory_returns_the_source_exactly(tiny):
    chosen, x0 = method(), clean(1)
    replayed = replace(inverted(tiny, chosen, x0), replayed=True)
    steps = list(sample(tiny, replayed, [plan(tiny, chosen, replayed).branch]))
    assert all(torch.equal(step.source, replayed.latents[step.i + 1]) for step in steps)
    assert torch.equal(steps[-1].source, x0)
    assert apart(steps[-1].targets[0], translated(tiny, chosen, x0).targets[0]) > 1e-6


def test_negative_prompt(tiny):
    def edited(negative: str | None) -> Tensor:
        conditioning = EditDirection(sentences=20, negative=negative)
        return last(tiny, start(tiny), [branch_of(tiny, method(conditioning=conditioning))]).targets[0]

    assert apart(edited(TASK.source_prompt), edited(None)) <= EQUAL  # a photograph's default is its own prompt
    assert apart(edited("a drawing"), edited(None)) > 1e-3 < apart(edited(""), edited(None))


def test_switches_of_the_regularisation(tiny):
    off = RegularisedInversion(lambda_ac=0, lambda_kl=0)
    plain = inverted(tiny, method(inversion=DDIMInversion()), clean(1))
    for same in (off, RegularisedInversion(reg_steps=0)):
        assert apart(inverted(tiny, method(inversion=same), clean(1)).start, plain.start) <= EQUAL
    for other in (RegularisedInversion(lambda_ac=0), RegularisedInversion(lambda_kl=0), RegularisedInversion()):
        assert apart(inverted(tiny, method(inversion=other), clean(1)).start, plain.start) > 1e-6


def test_seed_chooses_the_offsets_alone(tiny):
    first, again, other = (inverted(tiny, method(), clean(1, 16, 16), seed).start for seed in (3, 3, 4))
    assert torch.equal(first, again) and not torch.equal(first, other)
    rolls = draw_rolls(5, 5, 16, 4, [torch.Generator().manual_seed(3)])
    assert not torch.equal(rolls, draw_rolls(5, 5, 16, 4, [torch.Generator().manual_seed(4)]))


def test_one_step_of_maps_is_held(tiny, monkeypatch):
    """Source maps are the only probabilities made without a gradient; all are gone when new ones come."""
    made: list[weakref.ref] = []
    held: list[int] = []
    computed = unet.probabilities

    def watched(q: Tensor, k: Tensor, scale: float) -> Tensor:
        probs = computed(q, k, scale)
        if not torch.is_grad_enabled():
            made.append(weakref.ref(probs))
            held.append(sum(ref() is not None for ref in made))
        return probs

    monkeypatch.setattr(unet, "probabilities", watched)
    chosen = method(steps=8)
    trajectory = Trajectory(tiny.schedule(8), (clean(1),))
    last(tiny, trajectory, [plan(tiny, chosen, trajectory).branch])
    layers = sum(site.kind == "cross" for site in tiny.sites)
    assert len(made) == 8 * layers and max(held) == layers
