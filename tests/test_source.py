"""The source branch: exact where it is replayed, walked no further and asked no more than somebody needs."""

from dataclasses import replace

import pytest
import torch
from diffusers import DDIMInverseScheduler
from torch import Tensor

from tests.runs import apart, clean, inverted, last, plan, prompts, source_of
from tests.tiny import scheduler
from tests.watch import calls, running_order
from zeroshift.backbones.unet import TappedAttention
from zeroshift.conditioning import Prompts
from zeroshift.control.base import Control, Stack
from zeroshift.diffusion.embedding import Embedding
from zeroshift.diffusion.sites import NOTHING, Part, Site, select, tapped
from zeroshift.diffusion.source_branch import Recorded, record
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.inversion import DDIMInversion, DirectInversion
from zeroshift.inversion.base import CleanLatents, InversionContext, finished
from zeroshift.inversion.ddim import walk_up
from zeroshift.inversion.grid import calls as calls_of
from zeroshift.methods import DDIM
from zeroshift.running.sampling import Branch, sample

EQUAL = 1e-10
STEPS = 5
METHOD = DDIM(steps=STEPS, guidance_scale=3.0)


@pytest.fixture(params=["epsilon", "v_prediction"])
def backbone(request, tiny, tiny_v):
    return tiny if request.param == "epsilon" else tiny_v


class Reading(Control):
    """Records values of the encoder's cross-attention at some steps and does nothing with them."""

    def __init__(self, steps: set[int], prompt_only: bool = False) -> None:
        self.steps, self.alone = steps, prompt_only

    def prompt_only(self, i: int) -> bool:
        return self.alone

    def records(self, site: Site, i: int) -> frozenset[Part]:
        wanted = i in self.steps and site.kind == "cross" and site.stage == "down"
        return frozenset({"v"}) if wanted else NOTHING


def trajectory_of(backbone, replayed: bool, count: int = 1) -> Trajectory:
    """Return latents of no particular picture."""
    latents = clean(count * (STEPS + 1)).split(count)
    return Trajectory(backbone.schedule(STEPS), latents if replayed else latents[:1], replayed)


def reading(backbone, trajectory: Trajectory, steps: set[int], prompt_only: bool = False) -> Branch:
    """Return an edit of two prompt rows, source and target, that reads."""
    return Branch(plan(backbone, METHOD, trajectory).branch.conditioning, Reading(steps, prompt_only))


def walked(backbone, trajectory: Trajectory, branch: Branch) -> list[Recorded]:
    """Walk the source branch alone."""
    with tapped(backbone, select("cross", "v")) as taps, torch.no_grad():
        return list(record(source_of(backbone, taps, trajectory, branch)))


@pytest.mark.parametrize("prompt_only", [False, True])
def test_a_replayed_branch_predicts_only_where_something_is_recorded(tiny, prompt_only):
    trajectory = trajectory_of(tiny, replayed=True)
    with calls(tiny.unet) as rows:
        seen = walked(tiny, trajectory, reading(tiny, trajectory, {1, 3}, prompt_only))
    assert rows == [1 if prompt_only else 2] * 2
    assert [bool(r.seen) for r in seen] == [i in (1, 3) for i in range(STEPS)]
    for i, recorded in enumerate(seen):
        assert torch.equal(recorded.x, trajectory.latents[i])
        assert torch.equal(recorded.following, trajectory.latents[i + 1])


def test_the_prompts_row_is_the_last(tiny):
    trajectory = trajectory_of(tiny, replayed=True, count=2)
    both, one = (walked(tiny, trajectory, reading(tiny, trajectory, {2}, alone))[2].seen for alone in (False, True))
    assert both.keys() == one.keys() and len(one) > 1
    for key, value in one.items():
        assert apart(both[key][2:], value) <= EQUAL < 1e-6 < apart(both[key][:2], value)


def test_a_replayed_branch_stops_after_the_last_wanted_layer(tiny):
    trajectory = trajectory_of(tiny, replayed=True)
    leaves = {name: m for name, m in tiny.unet.named_modules() if not list(m.children())}
    final = max((s for s in tiny.sites if s.kind == "cross" and s.stage == "down"), key=lambda s: s.order)
    with running_order(leaves) as names:
        walked(tiny, trajectory, reading(tiny, trajectory, {0}))
    assert names[-1] == f"{final.name}.to_v" and not any(name.startswith(("mid", "up", "conv_out")) for name in names)
    integrated = trajectory_of(tiny, replayed=False)
    with running_order(leaves) as names:
        walked(tiny, integrated, reading(tiny, integrated, {0}))
    assert names.count("conv_out") == STEPS


@pytest.mark.parametrize("prompt_only", [False, True])
def test_an_integrated_branch_is_walked_no_further_than_needed(tiny, prompt_only):
    """It needs both rows to go on, whichever are read."""
    trajectory = trajectory_of(tiny, replayed=False)
    branch = reading(tiny, trajectory, {0, 2}, prompt_only)
    with calls(tiny.unet) as rows:
        steps = list(sample(tiny, trajectory, [branch]))
    assert rows == [2, 2] * 3 + [2] * 2
    assert [step.source is None for step in steps] == [False] * 3 + [True] * 2
    with calls(tiny.unet) as rows:
        whole = list(sample(tiny, trajectory, [branch], reconstruct=True))
    assert rows == [2, 2] * STEPS
    for step, known in zip(steps[:3], whole, strict=False):
        assert torch.equal(step.source, known.source)
    assert torch.equal(steps[-1].targets[0], whole[-1].targets[0])


def test_a_replayed_branch_costs_an_edit_only_what_it_records(tiny):
    trajectory = trajectory_of(tiny, replayed=True)
    edits = [reading(tiny, trajectory, {1}, prompt_only=True), plan(tiny, METHOD, trajectory).branch]
    with calls(tiny.unet) as rows:
        list(sample(tiny, trajectory, edits, reconstruct=True))
    assert rows == [2, 2, 1, 2, 2, *[2, 2] * 3]


def test_controls_that_read_nothing_ask_for_no_row(tiny):
    trajectory = trajectory_of(tiny, replayed=True)
    conditioning, read = reading(tiny, trajectory, set()).conditioning, Reading({0}, prompt_only=True)
    for together in (Stack([read, Control()]), Stack([Stack([]), read])):
        with calls(tiny.unet) as rows:
            next(sample(tiny, trajectory, [Branch(conditioning, together)]))
        assert rows == [1, 2]
    with calls(tiny.unet) as rows:
        next(sample(tiny, trajectory, [Branch(conditioning, Stack([read, Reading({0})]))]))
    assert rows == [2, 2]


@pytest.mark.parametrize(
    "inversion", [DirectInversion(), DirectInversion(grid="source"), DirectInversion(inversion_steps=10)]
)
def test_direct_inversion_returns_the_photographs_latent(backbone, inversion):
    """Whatever the guidance scale; DDIM inversion alone misses it."""
    x0, chosen = clean(2), replace(METHOD, inversion=inversion)
    trajectory = inverted(backbone, chosen, x0)
    for conditioning in (Prompts(), Prompts(negative="a drawing")):
        branch = plan(backbone, replace(chosen, conditioning=conditioning), trajectory).branch
        assert apart(last(backbone, trajectory, [branch]).source, x0) <= EQUAL
    plain = inverted(backbone, METHOD, x0)
    assert apart(last(backbone, plain, [plan(backbone, METHOD, plain).branch]).source, x0) > 1e-3


def test_direct_inversion_under_another_prompt(tiny):
    empty, chosen = DirectInversion(inversion_prompt=""), replace(METHOD, inversion=DirectInversion())
    start = inverted(tiny, replace(METHOD, inversion=empty), clean(1)).start
    assert torch.equal(start, inverted(tiny, chosen, clean(1), prompt="").start)
    assert apart(start, inverted(tiny, chosen, clean(1)).start) > 1e-4


def climbed(backbone, x: Tensor, text: Embedding, steps: int, grid: str) -> dict[int, Tensor]:
    """Invert in a plain loop; return the latent at every timestep's level."""
    alphas, stride = backbone.scheduler.alphas_cumprod.double(), 1000 // steps
    found = {}
    for t in range(1, 1 + stride * steps, stride):
        low, high = alphas[max(t - stride, 0)], alphas[t]
        out = backbone.predict(x, max(t - stride, 0) if grid == "source" else t, text)
        velocity = backbone.scheduler.config.prediction_type == "v_prediction"
        if velocity and grid == "aligned":  # x is then what a sampling step makes of the latent above
            turn = high.sqrt().acos() - low.sqrt().acos()
            x = (x + turn.sin() * out) / turn.cos()
            found[t] = x
            continue
        eps = low.sqrt() * out + (1 - low).sqrt() * x if velocity else out
        x = high.sqrt() * (x - (1 - low).sqrt() * eps) / low.sqrt() + (1 - high).sqrt() * eps
        found[t] = x
    return found


@pytest.mark.parametrize("options", [DDIMInversion, DirectInversion])
@pytest.mark.parametrize(
    ("grid", "fine"), [(g, None) for g in ("source", "aligned", "diffusers")] + [("source", 10), ("aligned", 20)]
)
@torch.no_grad()
def test_inversion_against_a_plain_loop(backbone, options, grid, fine):
    """Also in more steps than sampling takes: its latents are then those of the fine inversion at sampling's levels."""
    x0, chosen = clean(1), replace(METHOD, inversion=options(grid=grid, inversion_steps=fine))
    trajectory = inverted(backbone, chosen, x0)
    expected = climbed(backbone, x0, prompts(backbone), fine or STEPS, grid)
    assert trajectory.replayed is (options is DirectInversion) and len(trajectory.latents) == STEPS + 1
    assert torch.equal(trajectory.latents[-1], x0)
    for t, x in zip(trajectory.schedule.timesteps, trajectory.latents, strict=False):
        assert apart(x, expected[t]) <= EQUAL


@pytest.mark.parametrize("backbone", ["epsilon", pytest.param("v_prediction", marks=pytest.mark.slow)], indirect=True)
@torch.no_grad()
def test_finer_inversion_against_diffusers(backbone):
    """A hundred steps for sampling's 4 levels, those at 1, 251, 501 and 751."""
    chosen = DDIM(steps=4, inversion=DDIMInversion(inversion_steps=100, grid="diffusers"))
    reference = DDIMInverseScheduler.from_config(scheduler(backbone.scheduler.config.prediction_type).config)
    reference.alphas_cumprod = reference.alphas_cumprod.double()
    reference.initial_alpha_cumprod = reference.alphas_cumprod[0]
    reference.set_timesteps(100)
    with calls(backbone.unet) as rows:
        trajectory = inverted(backbone, chosen, clean(1))
    assert len(rows) == chosen.inversion.stages(4) == 76
    x, text, found = clean(1), prompts(backbone), {}
    for t in range(1, 752, 10):
        x = reference.step(backbone.predict(x, t, text), torch.tensor(t), x).prev_sample
        found[t] = x
    for t, ours in zip((751, 501, 251, 1), trajectory.latents, strict=False):
        assert apart(ours, found[t]) <= EQUAL


@pytest.mark.parametrize("fine", [None, 10, 20])
def test_finer_steps_open_layers_only_where_maps_are_kept(tiny, fine):
    probs = select("cross", "probs")
    layer = tiny.unet.get_submodule(next(site.name for site in tiny.sites if probs(site)))
    opened: list[bool] = []
    handle = tiny.unet.register_forward_pre_hook(lambda *_: opened.append(isinstance(layer.processor, TappedAttention)))
    walk = walk_up(tiny, clean(1), prompts(tiny), tiny.schedule(STEPS), inversion_steps=fine, keep=probs)
    levels = finished(walk)
    handle.remove()
    assert (sum(opened), len(opened)) == (STEPS, calls_of("aligned", fine, STEPS))
    assert len(levels.maps) == STEPS and all(len(m) == sum(map(bool, map(probs, tiny.sites))) for m in levels.maps)


@pytest.mark.parametrize(
    "inversion", [DDIMInversion(), DDIMInversion(inversion_steps=10), DirectInversion(inversion_steps=20)]
)
def test_stages_are_yields(tiny, inversion):
    photograph = CleanLatents(torch.zeros(1, 3, 32, 32), clean(1), prompts(tiny))
    with calls(tiny.unet) as rows:
        yielded = len(list(inversion.invert(tiny, photograph, InversionContext(STEPS, 1.0, (0,)))))
    assert yielded == inversion.stages(STEPS) == len(rows)


@pytest.mark.parametrize("options", [DDIMInversion, DirectInversion])
@pytest.mark.parametrize(
    ("steps", "fine", "offer"), [(50, 60, "50, 100, 200"), (50, 25, "50, 100"), (30, 60, "30, 90, 333, 999.$")]
)
def test_inversion_steps_that_miss_a_level_are_refused(options, steps, fine, offer):
    with pytest.raises(ValueError, match=f"^{fine} inversion steps do not pass through .* {steps} .*: {offer}"):
        options(inversion_steps=fine).check(steps)
    with pytest.raises(ValueError, match="do not pass through"):
        DDIM(steps=steps, inversion=options(inversion_steps=fine))


@pytest.mark.parametrize("steps", [30, 50, 60, 77])
def test_inversion_steps_that_are_offered_fit(tiny, steps):
    with pytest.raises(ValueError, match="take one of: ") as refused:
        DDIMInversion(inversion_steps=steps - 1).check(steps)
    for offered in str(refused.value).rstrip(".").split(": ")[1].split(", "):
        DDIMInversion(inversion_steps=int(offered)).check(steps)
        assert set(tiny.schedule(steps).timesteps) <= set(tiny.schedule(int(offered)).timesteps)


def test_the_official_grid_has_its_own_number_of_steps():
    with pytest.raises(ValueError, match="leave `inversion_steps` out"):
        DDIM(inversion=DDIMInversion(grid="official", inversion_steps=100))
