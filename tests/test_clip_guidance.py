"""CLIP guidance: its gradients, its step, and what it leaves alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from tests.runs import TASK, apart, clean, inverted, last, plan
from tests.watch import calls, installed
from zeroshift.control import AttentionGuidance, ClipGuidance, SamplingNoise
from zeroshift.control.base import Control, Rows, StepContext
from zeroshift.control.clip_guidance import BoundClipGuidance, fit_preview, linear_preview
from zeroshift.control.steering import cheap_gradient, full_gradient, normalised
from zeroshift.diffusion.prediction import guided
from zeroshift.diffusion.sites import Taps
from zeroshift.inversion import DDIMInversion
from zeroshift.methods import DDIM
from zeroshift.running.sampling import followed, sample

STEPS = 4
PLAIN = DDIM(steps=STEPS, guidance_scale=3.0)
KINDS = {
    "cheap": ClipGuidance(),
    "full": ClipGuidance(clip_gradient="full"),
    "linear": ClipGuidance(clip_preview="linear"),
    "crops": ClipGuidance(clip_crops=2, clip_seed=4),
    "the gradient itself": ClipGuidance(clip_scale=200.0, clip_unit="gradient", clip_gradient="full"),
}


def guided_by(**options: object) -> DDIM:
    return replace(PLAIN, extras=(ClipGuidance(**options),))


def edited(backbone, method, x0) -> torch.Tensor:
    trajectory = inverted(backbone, method, x0)
    return last(backbone, trajectory, [plan(backbone, method, trajectory).branch], reconstruct=False).targets[0]


@contextmanager
def decoded(backbone) -> Iterator[list[int]]:
    """Collect the number of pictures of every run of the VAE's decoder."""
    rows: list[int] = []
    handle = backbone.vae.decoder.register_forward_pre_hook(lambda _module, args: rows.append(len(args[0])))
    try:
        yield rows
    finally:
        handle.remove()


def distance(backbone, latents: torch.Tensor) -> torch.Tensor:
    """Return each picture's distance to the target prompt."""
    shown = backbone.clip.image_features(backbone.decode(latents))
    return 1 - torch.stack([f @ backbone.clip.text_features([TASK.target_prompt])[0] for f in shown])


def at_step(backbone, method, i: int, x0: torch.Tensor) -> tuple[StepContext, Control]:
    trajectory = inverted(backbone, method, x0)
    branch = plan(backbone, method, trajectory).branch
    return StepContext(backbone, trajectory, Taps(()), i, branch.conditioning.target(i), ()), branch.control.controls[
        -1
    ]


def predicted(here: StepContext, *rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    out = guided(here.backbone, here.taps, rows, here.timestep, here.text)
    return here.schedule.split(rows[0], out, here.schedule.level(here.i))


def slope(of, x: torch.Tensor, towards: torch.Tensor, step: float = 1e-5) -> float:
    with torch.no_grad():
        return float((of(x + step * towards) - of(x - step * towards)) / (2 * step))


@pytest.mark.parametrize("options", [{}, {"clip_crops": 2}, {"clip_preview": "linear"}])
@pytest.mark.parametrize("network", ["tiny", "tiny_v"])
def test_both_gradients_are_slopes(request, network, options):
    backbone = request.getfixturevalue(network)
    here, control = at_step(backbone, guided_by(**options), 1, clean(1))
    x, towards, level = clean(2)[1:], clean(3)[2:], here.schedule.level(1)

    def losses(at: torch.Tensor) -> torch.Tensor:
        return control.losses(at, here)

    x0, eps = predicted(here, x)
    losses(x0)  # a linear preview is fitted here
    cheap = cheap_gradient(losses, x0, level)
    wanted = slope(lambda at: losses((at - level.sigma * eps) / level.alpha).sum(), x, towards)
    assert float((cheap * towards).sum()) == pytest.approx(wanted, rel=1e-5)
    with torch.enable_grad():
        leaf = x.clone().requires_grad_()
        full = full_gradient(losses, predicted(here, leaf)[0], leaf)
    wanted = slope(lambda at: losses(predicted(here, at)[0]).sum(), x, towards)
    assert float((full * towards).sum()) == pytest.approx(wanted, rel=1e-5)
    assert apart(full, cheap) > 1e-6


def test_rows_apart_move_together(tiny):
    """Where a control predicts from one latent per row, the full gradient moves all of them."""
    here, control = at_step(tiny, guided_by(), 1, clean(1))
    first, second, towards = clean(3).split(1)
    with torch.enable_grad():
        rows = followed(Rows((first, second))).latents
        full = full_gradient(lambda at: control.losses(at, here), predicted(here, *rows)[0], rows[0])

    def loss(step: torch.Tensor) -> torch.Tensor:
        return control.losses(predicted(here, first + step, second + step)[0], here).sum()

    wanted = slope(loss, torch.zeros_like(first), towards)
    assert float((full * towards).sum()) == pytest.approx(wanted, rel=1e-5)
    assert all(torch.equal(a, b) for a, b in zip(rows, (first, second), strict=True))


@pytest.mark.parametrize("gradient", ["cheap", "full"])
@pytest.mark.parametrize("network", ["tiny", "tiny_v"])
def test_one_step_is_the_formula(request, network, gradient):
    """eps + s sqrt(1 - a) g / rms(g), x0 from the same x, then DDIM; written out."""
    backbone = request.getfixturevalue(network)
    method = guided_by(clip_scale=0.7, clip_gradient=gradient)
    here, _ = at_step(backbone, method, 0, clean(1))
    trajectory = here.trajectory
    taken = next(sample(backbone, trajectory, [plan(backbone, method, trajectory).branch])).targets[0]
    x, a, b = trajectory.start.clone().requires_grad_(), here.schedule.level(0), here.schedule.level(1)
    x0, eps = predicted(here, x)
    if gradient == "cheap":
        x0 = (x - a.sigma * eps.detach()) / a.alpha
    (g,) = torch.autograd.grad(distance(backbone, x0).sum(), x)
    moved = (eps + 0.7 * a.sigma * g / g.square().mean().sqrt()).detach()
    wanted = b.alpha * (x.detach() - a.sigma * moved) / a.alpha + b.sigma * moved
    assert apart(taken, wanted) <= 1e-10


def test_cheap_and_full_agree_where_the_noise_does_not_depend_on_the_latent(tiny):
    unet = deepcopy(tiny.unet)
    unet.conv_out.weight.data.zero_()
    constant = replace(tiny, unet=unet)
    cheap, full = (edited(constant, guided_by(clip_gradient=kind), clean(1)) for kind in ("cheap", "full"))
    assert apart(cheap, full) <= 1e-10 < apart(cheap, edited(constant, PLAIN, clean(1)))
    cheap, full = (edited(tiny, guided_by(clip_gradient=kind), clean(1)) for kind in ("cheap", "full"))
    assert apart(cheap, full) > 1e-6


def test_scale_zero_is_no_guidance_and_decodes_nothing(tiny):
    def refuse():
        raise AssertionError("CLIP was opened")

    blind = replace(tiny, open_clip=refuse)
    with decoded(tiny) as rows:
        assert torch.equal(edited(blind, guided_by(clip_scale=0), clean(1)), edited(tiny, PLAIN, clean(1)))
    assert not rows


def test_only_guided_steps_decode(tiny):
    method = replace(guided_by(clip_from=0.3, clip_until=0.8), steps=10)
    with decoded(tiny) as rows:
        edited(tiny, method, clean(2))
    assert rows == [2] * 5  # steps 3 to 7
    with decoded(tiny) as rows:
        edited(tiny, guided_by(clip_preview="linear"), clean(2))
    assert rows == [2]


def test_full_needs_no_further_pass(tiny):
    counts = []
    for method in (PLAIN, guided_by(clip_gradient="full")):
        with calls(tiny.unet) as rows:
            edited(tiny, method, clean(1))
        counts.append(rows)
    assert counts[0] == counts[1]


@pytest.mark.parametrize("name", KINDS)
def test_a_batch_is_its_pictures(tiny, name):
    method, x0 = replace(PLAIN, extras=(KINDS[name],)), clean(2)
    alone = torch.cat([edited(tiny, method, x0[:1]), edited(tiny, method, x0[1:])])
    assert apart(edited(tiny, method, x0), alone) <= 1e-10


@pytest.mark.parametrize("name", sorted(KINDS.keys() - {"linear"}))  # no line fits a random decoder
def test_it_comes_closer_to_the_prompt(tiny, name):
    method = replace(PLAIN, extras=(KINDS[name],))
    before, after = (distance(tiny, edited(tiny, m, clean(1))) for m in (PLAIN, method))
    assert after < before - 1e-3


def test_other_crops_with_another_seed(tiny):
    first, other, whole = (
        edited(tiny, guided_by(**options), clean(1))
        for options in ({"clip_crops": 2}, {"clip_crops": 2, "clip_seed": 1}, {})
    )
    assert apart(first, other) > 1e-6 and apart(first, whole) > 1e-6


def test_the_unit_of_the_scale(tiny):
    """A scale on the gradient itself is one on its normed self times the gradient's size: how a published 1000 maps."""
    here, control = at_step(tiny, guided_by(), 2, clean(1))
    x0, eps = predicted(here, clean(1))
    gradient = cheap_gradient(lambda at: control.losses(at, here), x0, here.schedule.level(2))
    own = replace(control.options, clip_unit="gradient", clip_scale=1000.0)
    units = replace(control.options, clip_scale=1000 * float(gradient.square().mean().sqrt()))
    bound = [BoundClipGuidance(options, control.wanted, control.guided) for options in (own, units)]
    a, b = (each.steer(x0, eps, clean(1), here)[1] for each in bound)
    assert apart(a, b) <= 1e-10
    assert torch.equal(normalised(torch.zeros(1, 4, 8, 8)), torch.zeros(1, 4, 8, 8))


def test_what_an_earlier_extra_did_stays(tiny):
    """Clean part and noise move by one push, wherever they stood."""
    here, control = at_step(tiny, guided_by(), 1, clean(1))
    x0, eps = predicted(here, clean(1))
    other = eps + 1
    moved, same = control.steer(x0, eps, clean(1), here), control.steer(x0, other, clean(1), here)
    assert apart(same[1] - other, moved[1] - eps) <= 1e-12 and torch.equal(same[0], moved[0])
    both = replace(PLAIN, extras=(SamplingNoise(), ClipGuidance(clip_gradient="full")))
    assert edited(tiny, both, clean(1)).isfinite().all()


@pytest.mark.parametrize("gradient", ["cheap", "full"])
def test_beside_attention_guidance(tiny, gradient):
    """Beside a control that records, corrects and listens; nothing stays installed."""
    method = replace(guided_by(clip_gradient=gradient), control=AttentionGuidance(), inversion=DDIMInversion())
    before = installed(tiny.unet)
    assert apart(edited(tiny, method, clean(1)), edited(tiny, replace(method, extras=()), clean(1))) > 1e-6
    assert installed(tiny.unet) == before
    assert not any(p.requires_grad or p.grad is not None for p in tiny.unet.parameters())


def test_a_linear_preview_is_least_squares(tiny):
    latents = clean(2)
    pictures = tiny.decode(latents)
    small = torch.nn.functional.avg_pool2d(pictures, 4)
    found = linear_preview(latents, fit_preview(latents, pictures))
    for k in range(2):
        columns = torch.cat([latents[k].flatten(1), torch.ones(1, 64).double()]).T
        wanted = columns @ torch.linalg.lstsq(columns, small[k].flatten(1).T).solution
        assert apart(found[k].flatten(1).T, wanted) <= 1e-4  # the ridge of 1e-6
    matrix = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0)).double()
    exact = linear_preview(latents, matrix).repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert apart(fit_preview(latents, exact), matrix) <= 1e-4


def test_an_empty_window_is_refused():
    with pytest.raises(ValueError, match="CLIP guidance ends before it begins"):
        ClipGuidance(clip_from=0.5, clip_until=0.5)
