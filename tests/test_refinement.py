"""Refinement: its loss, the optimisation, what is decoded, and what is refused."""

from dataclasses import replace

import pytest
import torch
from PIL import Image

from tests.refinement import CPU, PLAIN, STEPS, at_end, edited, photographs, refined, seeded
from tests.runs import TASK, apart, clean
from tests.test_clip_guidance import slope
from zeroshift.control import ClipGuidance, Refinement
from zeroshift.control.losses import clip_distance, perceptual, squared, style
from zeroshift.control.patch_discriminator import Discriminators
from zeroshift.control.perceptual import load_vgg, vgg_features
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.editor import Editor


def test_the_loss_is_the_weighted_sum(tiny, vgg):
    method, weights = refined(refine_patches=0.3, refine_seed=2), load_vgg(vgg, CPU)
    pictures, latents = photographs(2), clean(2)
    here, control = at_end(tiny, method, pictures, weights)
    found = control.judge.losses(latents, here)
    shown = tiny.decode(latents)
    features, others = vgg_features(weights, shown), vgg_features(weights, pictures)
    critics = Discriminators(pictures, 2)
    critics.learn(shown)
    wanted = 0.1 * squared(shown, pictures) + 0.5 * perceptual(features, others) + 0.2 * style(features, others)
    wanted += 0.2 * clip_distance(tiny.clip, shown, tiny.clip.text_features([TASK.target_prompt]))
    assert apart(found, wanted + 0.3 * critics.distance(shown)) <= 1e-12


def test_its_gradient_is_its_slope(tiny, vgg):
    here, control = at_end(tiny, refined(refine_style=50.0), photographs(1), load_vgg(vgg, CPU))
    latents, towards = clean(1).requires_grad_(), clean(2)[1:]

    def loss(at: torch.Tensor) -> torch.Tensor:
        return control.judge.losses(at, here).sum()

    (gradient,) = torch.autograd.grad(loss(latents), latents)
    assert float((gradient * towards).sum()) == pytest.approx(slope(loss, latents, towards, 1e-6), rel=1e-4)


def test_adam_written_out(tiny):
    """Two steps from the plain edit's last latent: m / (1 - 0.9^k) over the root of v / (1 - 0.999^k)."""
    pictures, z = photographs(1), edited(tiny, PLAIN, clean(1), None)
    wanted = tiny.clip.text_features([TASK.target_prompt])
    m, v = torch.zeros_like(z), torch.zeros_like(z)
    found = edited(tiny, refined(refine_steps=2, refine_rate=0.02, refine_l2=0.4), clean(1), pictures)
    for k in (1, 2):
        at = z.clone().requires_grad_()
        shown = tiny.decode(at)
        loss = 0.4 * squared(shown, pictures) + 0.2 * clip_distance(tiny.clip, shown, wanted)
        (g,) = torch.autograd.grad(loss.sum(), at)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        z = z - 0.02 * (m / (1 - 0.9**k)) / ((v / (1 - 0.999**k)).sqrt() + 1e-8)
    assert apart(found, z) <= 1e-10


def test_steering_is_the_formula_on_the_last_steps(tiny):
    """With one guided step: the plain run up to it, then eps + s sqrt(1 - a) g / rms(g) by the cheap gradient."""
    pictures = photographs(1)
    method = refined(refine="guidance", refine_last=1, refine_scale=0.5, refine_clip=0.0)
    here, control = at_end(tiny, method, pictures)
    x0, eps, level = clean(1), seeded(4, 1, 4, 8, 8), here.schedule.level(STEPS - 1)
    moved = control.steer(x0, eps, x0, here)
    at = x0.clone().requires_grad_()
    (g,) = torch.autograd.grad(squared(tiny.decode(at), pictures).sum(), at)
    push = 0.5 * level.sigma * g / g.square().mean().sqrt()
    assert apart(moved[1], eps + push) <= 1e-12
    assert apart(moved[0], x0 - level.sigma / level.alpha * push) <= 1e-12
    earlier = replace(here, i=STEPS - 2)
    assert control.steer(x0, eps, x0, earlier) == (x0, eps)


WAYS = [
    {"refine_steps": 3},
    {"refine_steps": 3, "refine_patches": 0.1},
    {"refine": "guidance", "refine_last": 2, "refine_patches": 0.1},
]


@pytest.mark.parametrize("options", WAYS)
def test_a_batch_is_its_pictures(tiny, options):
    method, x0, pictures = refined(**options), clean(2), photographs(2)
    alone = [edited(tiny, method, x0[k : k + 1], pictures[k : k + 1]) for k in range(2)]
    assert apart(edited(tiny, method, x0, pictures), torch.cat(alone)) <= 1e-10


@pytest.mark.parametrize("options", [{"refine_steps": 10}, {"refine": "guidance", "refine_scale": 0.1}])
def test_the_loss_falls(tiny, options):
    method, pictures = refined(refine_l2=1.0, **options), photographs(1)
    here, control = at_end(tiny, method, pictures)
    before, after = (edited(tiny, m, clean(1), pictures) for m in (PLAIN, method))
    assert control.judge.losses(after, here) < control.judge.losses(before, here)


def test_steering_towards_a_source_that_is_not_there_is_refused(tiny):
    with pytest.raises(ValueError, match="cannot be steered towards a source that is still being generated"):
        edited(tiny, refined(refine="guidance"), clean(1), None)
    assert edited(tiny, refined(refine="guidance", refine_l2=0.0), clean(1), None).isfinite().all()


@pytest.mark.parametrize("term", ["refine_perceptual", "refine_style"])
def test_terms_on_features_need_weights(tiny, term, vgg):
    editor, picture = Editor(tiny, {}), Image.new("RGB", (32, 32), "red")
    with pytest.raises(ValueError, match="there are no weights of it; give `vgg`, or leave `refine_perceptual`"):
        editor.edit(picture, "cat", "dog", method=refined(**{term: 0.1}))
    Refinement(**{term: 0.0}).check_vgg(given=False)
    assert Refinement().weights(vgg=False).deep is False
    assert (Refinement().weights(vgg=True).perceptual, Refinement().weights(vgg=True).style) == (0.5, 0.2)


def test_an_edit_names_the_weights_that_it_used(tiny, vgg):
    weights, picture = load_vgg(vgg, CPU), Image.new("RGB", (32, 32), "red")
    editor, method = Editor(tiny, {}, vgg=weights), refined(refine_steps=1)
    used, plain = (editor.edit(picture, "cat", "dog", method=m) for m in (method, PLAIN))
    assert used.recipe["vgg_sha256"] == weights.sha256 and "vgg_sha256" not in plain.recipe
    off = refined(refine_steps=1, refine_perceptual=0.0, refine_style=0.0)
    without = editor.edit(picture, "cat", "dog", method=off)
    assert "vgg_sha256" not in without.recipe
    alone = Editor(tiny, {}).edit(picture, "cat", "dog", method=method)
    assert without.image.tobytes() == alone.image.tobytes() != used.image.tobytes()


@pytest.mark.parametrize("extra", [Refinement(), ClipGuidance()])
def test_a_missing_clip_is_said_before_the_inversion(tiny, extra):
    blind = replace(tiny, open_clip=None)
    steps = Editor(blind, {}).stream(Image.new("RGB", (32, 32)), "cat", "dog", method=replace(PLAIN, extras=(extra,)))
    with pytest.raises(Unsupported, match="has no CLIP image encoder"):
        next(steps)
