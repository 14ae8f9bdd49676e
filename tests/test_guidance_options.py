"""Approximate savings of cross-attention guidance, and other options that are off by default."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.oracles import descend, expose, guide_and_move
from tests.runs import STEPS, TASK, apart, clean, further_row, inverted, last, method, plan, prompts, translated
from tests.watch import calls
from zeroshift.asked.request import Request, check_shared
from zeroshift.conditioning import EditDirection, Prompts
from zeroshift.conditioning.direction import direction_of_words
from zeroshift.control import AttentionGuidance
from zeroshift.cost.counting import count
from zeroshift.cost.flops import forward_flops
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.inversion import (
    DDIMInversion,
    DirectInversion,
    EditFriendlyInversion,
    NegativePromptInversion,
    NoisedStart,
    RegularisedInversion,
)
from zeroshift.inversion.noise import draw_rolls, regularise
from zeroshift.methods import Pix2PixZero
from zeroshift.presets import build_method

EQUAL = 1e-10
SAVINGS = {
    "part of the steps": {"guidance_until": 0.5},
    "coarse layers": {"guided_layers": "coarse"},
    "prompt row": {"guided_rows": "prompt"},
    "one latent": {"shared_gradient": True},
    "noise again": {"reuse_noise": True},
    "noise again, prompt row": {"reuse_noise": True, "guided_rows": "prompt"},
    "one latent, prompt row": {"shared_gradient": True, "guided_rows": "prompt"},
}


def start(backbone, count: int = 1) -> Trajectory:
    return Trajectory(backbone.schedule(STEPS), (clean(count),))


def edit(backbone, photograph: bool = True, strength: float = 1.0, **options: object):
    conditioning = EditDirection(sentences=20, strength=strength)
    chosen, here = method(control=AttentionGuidance(**options), conditioning=conditioning), start(backbone)
    return last(backbone, here, [plan(backbone, chosen, here, photograph).branch])


@torch.no_grad()
def plain_loops(
    backbone,
    *,
    guidance_until: float = 1.0,
    guided_layers: str = "all",
    guided_rows: str = "both",
    shared_gradient: bool = False,
    reuse_noise: bool = False,
) -> Tensor:
    """Return pix2pix-zero's edit of a photograph with each saving done to the plain formulas."""
    net, x = expose(backbone.unet, backbone.scheduler), clean(1)
    source, c = x, prompts(backbone).tokens
    text = torch.cat([c, c + direction_of_words(backbone, *TASK.words, 20).delta.double()])
    for i, t in enumerate(1 + 1000 // STEPS * k for k in reversed(range(STEPS))):
        out = net(source, t, c)
        reference, source = net.maps(), guide_and_move(net, source, torch.cat([out, out]), t, STEPS, 5.0)
        cells, finest = sum(m.shape[1] for m in reference), max(m.shape[1] for m in reference)

        def distance(rows: Tensor, t: int = t, reference: list[Tensor] = reference, finest: int = finest) -> Tensor:
            net(rows, t, text)
            layers = [k for k, m in enumerate(reference) if guided_layers == "all" or m.shape[1] < finest]
            apart = [(net.maps()[k] - torch.cat([reference[k]] * 2)) ** 2 for k in layers]
            return sum(a.sum((1, 2)).mean(0) for a in apart)

        rows = moved = torch.cat([x, x])
        if i < guidance_until * STEPS:
            moved = descend(rows, distance, 0.1 * 26944 / cells)
            step = moved - rows
            step = step * torch.tensor([0.0, 1.0]).view(2, 1, 1, 1) if guided_rows == "prompt" else step
            moved = rows + (step.sum(0, keepdim=True) if shared_gradient else step)
        out = net(rows if reuse_noise else moved, t, text)
        x = guide_and_move(net, moved[:1], out, t, STEPS, 5.0)
    return x


@pytest.fixture(scope="module")
def whole(tiny) -> Tensor:
    """An edit that saves nothing."""
    return edit(tiny).targets[0]


@pytest.mark.parametrize("name", SAVINGS)
def test_savings_are_what_they_say(tiny, whole, name):
    found = edit(tiny, **SAVINGS[name]).targets[0]
    assert apart(found, plain_loops(tiny, **SAVINGS[name])) <= EQUAL
    assert apart(found, whole) > 1e-5  # off by default


@pytest.mark.parametrize("photograph", [True, False])
@pytest.mark.parametrize("name", SAVINGS)
def test_no_strength_is_still_the_reconstruction(tiny_v, name, photograph):
    step = edit(tiny_v, photograph, 0.0, **SAVINGS[name])
    assert apart(step.targets[0], step.source) <= EQUAL


ROWS = {
    "part of the steps": [1, 2, 2] * 2 + [2] * 2,
    "coarse layers": [1, 2, 2] * 4,
    "prompt row": [1, 1, 2] * 4,
    "one latent": [1, 2, 2] * 4,
    "noise again": [1, 2] * 4,
    "noise again, prompt row": [1, 1, 1] * 4,
}


@pytest.mark.parametrize("name", ROWS)
def test_rows_that_are_saved(tiny, name):
    chosen, here = method(control=AttentionGuidance(**SAVINGS[name])), start(tiny)
    with calls(tiny.unet) as rows:
        last(tiny, here, [plan(tiny, chosen, here).branch], reconstruct=False)
    assert rows == ROWS[name]


INVERSIONS = [DDIMInversion(), RegularisedInversion(), DirectInversion(), NegativePromptInversion()]


@pytest.mark.parametrize("inversion", INVERSIONS, ids=lambda i: i.kind)
def test_maps_of_the_inversion(tiny, inversion):
    """At every step the reference are the maps of the inversion's own pass at that step's timestep."""
    chosen = method(inversion=inversion, control=AttentionGuidance(maps_from="inversion"))
    with calls(tiny.unet) as rows:
        trajectory = inverted(tiny, chosen, clean(2))
        found = last(tiny, trajectory, [plan(tiny, chosen, trajectory).branch], reconstruct=False)
    assert rows == [2] * STEPS + [4, 4] * STEPS and found.source is None  # no source branch
    net = expose(tiny.unet, tiny.scheduler)
    with torch.no_grad():
        for i, t in enumerate(trajectory.schedule.timesteps):
            cleaner = trajectory.latents[i + 1]  # the aligned grid asks at the level reached, from the one left
            net(cleaner, t, prompts(tiny, 2).tokens)
            of_sites = {site.name: maps for (site, _), maps in trajectory.maps[i].items()}
            names = [name for name, _ in net.unet.named_modules() if name.endswith("attn2")]
            for name, maps in zip(names, net.maps(), strict=True):
                assert apart(of_sites[name].flatten(0, 1), maps) <= EQUAL
    exact = translated(tiny, replace(chosen, control=AttentionGuidance()), clean(2)).targets[0]
    assert apart(found.targets[0], exact) > 1e-5


def test_maps_of_the_inversion_edit_pictures_one_by_one_alike(tiny):
    chosen = method(control=AttentionGuidance(maps_from="inversion", guided_layers="coarse", guided_rows="prompt"))
    together = translated(tiny, chosen, clean(2)).targets[0]
    assert apart(together[1:], translated(tiny, chosen, clean(2)[1:]).targets[0]) <= EQUAL
    trajectory = inverted(tiny, chosen, clean(1))
    assert {site.scale for site, _ in trajectory.maps[0]} == {2, 4} and len(trajectory.maps) == STEPS
    assert inverted(tiny, method(), clean(1)).maps == ()  # nothing is kept that nobody wants


@pytest.mark.parametrize("inversion", [NoisedStart(), EditFriendlyInversion(), RegularisedInversion(grid="official")])
def test_other_inversions_have_no_maps(inversion):
    with pytest.raises(ValueError, match="take `inversion` ddim, regularised, direct or negative-prompt"):
        Pix2PixZero(inversion=inversion, control=AttentionGuidance(maps_from="inversion"))


def test_maps_that_were_not_kept_are_missed(tiny):
    chosen = method(control=AttentionGuidance(maps_from="inversion"))
    for photograph in (True, False):
        with pytest.raises(ValueError, match="a saved inversion does not keep them; take `maps_from` reconstruction"):
            plan(tiny, chosen, start(tiny), photograph)


def test_edits_with_and_without_maps_of_the_inversion_share_no_run():
    plain, savings = method(), method(control=AttentionGuidance(maps_from="inversion"))
    other = method(control=AttentionGuidance(lambda_xa=0.2, guidance_until=0.5))
    check_shared([Request(TASK, plain), Request(TASK, other)], photograph=True)
    with pytest.raises(ValueError, match="Edits of one run share"):
        check_shared([Request(TASK, plain), Request(TASK, savings)], photograph=True)
    idle = method(control=AttentionGuidance(maps_from="inversion", lambda_xa=0))  # nothing is kept for it
    with pytest.raises(ValueError, match="Edits of one run share"):
        check_shared([Request(TASK, idle), Request(TASK, savings)], photograph=True)


def test_edits_of_one_run_keep_their_own_layers_and_steps(tiny):
    """Together they record what either needs; each compares its own."""
    here = start(tiny)
    chosen = [method(control=AttentionGuidance(**SAVINGS[n])) for n in ("coarse layers", "part of the steps")]
    chosen.append(method(control=AttentionGuidance(guided_rows="prompt")))
    together = last(tiny, here, [plan(tiny, m, here).branch for m in chosen]).targets
    for target, m in zip(together, chosen, strict=True):
        assert apart(target, last(tiny, here, [plan(tiny, m, here).branch]).targets[0]) <= EQUAL


def test_coarse_layers_need_a_coarser_grid(tiny):
    with pytest.raises(Unsupported, match="one grid, none coarser; take `guided_layers` all"):
        AttentionGuidance(guided_layers="coarse").compared([s for s in tiny.sites if s.scale == 1])


@pytest.mark.slow
def test_costs(tiny):
    """What every saving saves, in passes of which a measuring one ends early and goes back."""

    def first_edit(**options: object) -> float:
        chosen = Pix2PixZero(steps=10, inversion=DDIMInversion(), control=AttentionGuidance(**options))
        flops = count(tiny, chosen, clean(1))
        return (flops.inversion + flops.one_target) / forward_flops(tiny, clean(1))

    exact, unguided = first_edit(), first_edit(lambda_xa=0)
    saved = 10 * (1 - further_row(tiny, clean(1)))  # by a pass of two rows at one latent, in all steps
    assert unguided == pytest.approx(30 - saved)
    assert first_edit(guidance_until=0.5) == pytest.approx((exact + unguided) / 2)
    assert first_edit(maps_from="inversion") == pytest.approx(exact - 10)
    assert first_edit(shared_gradient=True) == pytest.approx(exact - saved)
    one_row = (exact - unguided - 10) / 2  # a row's measuring pass on its own, there and back, in all steps
    assert first_edit(guided_rows="prompt") == pytest.approx(exact - one_row + saved)
    assert first_edit(guided_layers="coarse") < exact
    # a pass less, and what the measuring pass had left out
    assert exact - 20 < first_edit(reuse_noise=True) < exact - 10
    assert first_edit(reuse_noise=True, guided_rows="prompt") < first_edit(reuse_noise=True)


def test_the_final_latent_can_be_regularised_instead(tiny):
    x0 = clean(2, 16, 16)
    plain, final = (inverted(tiny, method(inversion=i), x0) for i in (DDIMInversion(), RegularisedInversion(
        regularise_final=True, lambda_ac=10, lambda_kl=5, reg_steps=3, ac_rolls=2
    )))  # fmt: skip
    rolls = draw_rolls(3, 2, 16, 4, [torch.Generator().manual_seed(3)])
    assert apart(final.start, regularise(plain.start, rolls, 10, 5)) <= EQUAL < 1e-6 < apart(final.start, plain.start)
    assert all(torch.equal(a, b) for a, b in zip(final.latents[1:], plain.latents[1:], strict=True))
    assert not RegularisedInversion().regularise_final and not EditDirection().normalise


def test_names_on_the_command_line():
    options = {"control": {"guidance_until": 0.4, "guided_layers": "coarse"}, "inversion": {"regularise_final": True}}
    built = build_method("pix2pix-zero", options)
    assert built.control == AttentionGuidance(guidance_until=0.4, guided_layers="coarse")
    assert built.inversion == RegularisedInversion(regularise_final=True)
    with pytest.raises(ValueError, match="`guided_layers`"):
        build_method("pix2pix-zero", {"control": {"guided_layers": "fine"}})
    assert build_method("pix2pix-zero", {"conditioning": {"kind": "prompts"}}).conditioning == Prompts()
