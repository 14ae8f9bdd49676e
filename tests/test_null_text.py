"""Null-text inversion against plain loops with torch's Adam, and what it promises."""

from dataclasses import replace

import pytest
import torch

from tests.oracles import Network, expose
from tests.runs import apart, clean, inverted, last, plan, prompts
from tests.watch import calls
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.conditioning import EditDirection, Prompts
from zeroshift.diffusion.trajectory import load_trajectory, save_trajectory
from zeroshift.inversion import DDIMInversion, NullTextInversion
from zeroshift.inversion.optimising import Adam, enough, going_on, learning_rate, minimise
from zeroshift.methods import DDIM

STEPS, SCALE = 2, 7.5
KINDS = ("negative", "prompt")


def method(**options: object) -> DDIM:
    return DDIM(steps=STEPS, guidance_scale=SCALE, inversion=NullTextInversion(**options))


def walk(net: Network, x: torch.Tensor, c: torch.Tensor, steps: int) -> list[torch.Tensor]:
    """Return DDIM's latents from the clean one up, each asked for at the timestep that it reaches."""
    latents, stride = [x], 1000 // steps
    for k in range(steps):
        t = 1 + stride * k
        a, b = net.alpha(t - stride), net.alpha(t)
        with torch.no_grad():
            latents.append(net.move(latents[-1], net.noise_told(latents[-1], net(latents[-1], t, c), a, b), a, b))
    return latents


def null_text(net: Network, x0, c, empty, steps: int, inner: int, stop: float, which: str):
    """Return (path, embeddings) of one picture, written from the paper's Alg. 1 with torch's Adam."""
    wanted, stride = walk(net, x0, c, steps), 1000 // steps
    x, path, found = wanted[-1], [wanted[-1]], []
    learned = (empty if which == "negative" else c).clone()
    for i in range(steps):
        t = 1 + stride * (steps - 1 - i)
        a, b = net.alpha(t), net.alpha(t - stride)
        leaf = learned.clone().requires_grad_()
        adam = torch.optim.Adam([leaf], lr=1e-2 * (1 - i / 100))

        def step(x=x, t=t, a=a, b=b, leaf=leaf):
            n, p = (leaf, c) if which == "negative" else (empty, leaf)
            out_n, out_p = net(x, t, n), net(x, t, p)
            return net.move(x, net.noise(x, out_n + SCALE * (out_p - out_n), a), a, b)

        for _ in range(inner):
            loss = ((step() - wanted[-2 - i]) ** 2).mean()
            (leaf.grad,) = torch.autograd.grad(loss, leaf)
            adam.step()
            if loss < stop + 2 * stop * i:
                break
        learned = leaf.detach()
        with torch.no_grad():
            x = step()
        path.append(x)
        found.append(learned)
    return path, found


@pytest.mark.parametrize("which", KINDS)
@pytest.mark.parametrize("network", ["tiny", "tiny_v"])
def test_it_is_the_papers_algorithm_for_every_picture_on_its_own(request, network, which):
    backbone: StableDiffusion = request.getfixturevalue(network)
    net, x0 = expose(backbone.unet, backbone.scheduler), clean(2)
    c, empty = prompts(backbone).tokens, backbone.embed([""]).tokens
    # one of the two pictures ends the first step before the other
    stop = 1.01 if network == "tiny" else 0.682
    trajectory = inverted(backbone, method(optimise=which, inner_steps=3, stop_loss=stop), x0)
    learned = trajectory.learned.negatives if which == "negative" else trajectory.learned.prompts
    for k in range(2):
        path, found = null_text(net, x0[k : k + 1], c, empty, STEPS, 3, stop, which)
        for i in range(STEPS):
            assert apart(learned[i][k : k + 1], found[i]) <= 1e-10
        assert max(apart(a[k : k + 1], b) for a, b in zip(trajectory.latents, path, strict=True)) <= 1e-10


def test_pictures_stop_on_their_own_and_are_computed_no_more(tiny):
    """Losses 0.5 and 4 under a stop of 1: the first ends after one step, the second goes on."""
    seen = []

    def losses(params, rows):
        seen.append(rows.tolist())
        return (params[0] - torch.tensor([1.0, 0.0]).double()[rows, None]).square().sum(1) / 2

    start = torch.tensor([[0.0], [8.0**0.5]]).double()
    (found,), _ = minimise((start,), losses, Adam((start,), 0.1), steps=3, stop=1.0)
    assert seen == [[0, 1], [1], [1]]
    assert found[0].item() == pytest.approx(0.1, abs=1e-6) and found[1].item() == pytest.approx(8**0.5 - 0.3, abs=1e-3)


def test_adam_is_torchs():
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(3, 5, generator=generator).double()
    theirs, mine = start.clone().requires_grad_(), start
    adam, own, rows = torch.optim.Adam([theirs], lr=0.05), Adam((start,), 0.05), torch.arange(3)
    for _ in range(6):
        theirs.grad = torch.randn(3, 5, generator=generator).double()
        (mine,) = own.step((mine,), (theirs.grad,), rows)
        adam.step()
        assert apart(mine, theirs.detach()) <= 1e-14


def test_rates_and_stops_are_the_papers():
    assert [learning_rate(1e-2, i) for i in (0, 25, 50)] == pytest.approx([1e-2, 7.5e-3, 5e-3])
    assert [enough(1e-5, i) for i in (0, 1, 49)] == pytest.approx([1e-5, 3e-5, 99e-5])


def test_a_loss_without_a_value_has_not_come_below_anything():
    assert going_on(torch.tensor([0.5, torch.nan, 2.0, torch.inf]), 1.0).tolist() == [1, 2, 3]


@pytest.mark.parametrize("which", KINDS)
def test_every_step_comes_closer_and_no_parameter_takes_a_gradient(tiny, which):
    """With a small learning rate each optimisation step lowers the loss."""
    x0 = clean(1)
    errors = []
    for inner in (1, 3):
        chosen = method(optimise=which, inner_steps=inner, learning_rate=1e-4, stop_loss=0.0)
        levels = inverted(tiny, replace(chosen, inversion=DDIMInversion()), x0)
        first = inverted(tiny, chosen, x0).latents[1]
        errors.append(float((first - levels.latents[1]).square().mean()))
    assert errors[0] > errors[1]
    networks = (tiny.unet, tiny.vae, tiny.text_encoder)
    assert all(p.grad is None and not p.requires_grad for network in networks for p in network.parameters())


def test_guided_sampling_returns_closer_to_the_photograph_than_without(tiny):
    x0 = clean(1)
    errors = {}
    for name, inversion in {
        "ddim": DDIMInversion(),
        "null-text": NullTextInversion(inner_steps=20, learning_rate=0.05),
    }.items():
        chosen = DDIM(steps=STEPS, guidance_scale=SCALE, inversion=inversion)
        trajectory = inverted(tiny, chosen, x0)
        source = last(tiny, trajectory, [plan(tiny, chosen, trajectory).branch]).source
        errors[name] = float((source - x0).square().mean())
    assert errors["null-text"] < errors["ddim"] / 2


@pytest.mark.parametrize("which", KINDS)
@pytest.mark.parametrize("conditioning", [Prompts(strength=0), EditDirection(strength=0, sentences=20)])
def test_nothing_edited_is_the_reconstruction(tiny, conditioning, which):
    """The target branch is not told: it samples its way to the stored path's end."""
    chosen = replace(method(optimise=which, inner_steps=2), conditioning=conditioning)
    trajectory = inverted(tiny, chosen, clean(2))
    step = last(tiny, trajectory, [plan(tiny, chosen, trajectory).branch])
    assert apart(step.targets[0], step.source) <= 1e-10
    assert apart(step.source, trajectory.latents[-1]) == 0


def test_it_asks_the_network_no_more_than_it_must(tiny):
    """T to invert; per step the fixed prediction, the optimisation, and one more with what it found."""
    with calls(tiny.unet) as rows:
        inverted(tiny, method(inner_steps=2, stop_loss=0.0), clean(2))
    assert rows == [2] * (STEPS + STEPS * (1 + 2 + 1))


def test_one_step_is_taken_even_where_the_first_loss_is_good_enough(tiny):
    one, most = (inverted(tiny, method(inner_steps=n, stop_loss=100.0), clean(1)) for n in (1, 3))
    for i, before in enumerate([tiny.embed([""]).tokens, *one.learned.negatives[:-1]]):
        assert apart(one.learned.negatives[i], before) > 1e-3
        assert torch.equal(one.learned.negatives[i], most.learned.negatives[i])


@pytest.mark.parametrize("which", KINDS)
def test_a_saved_inversion_edits_as_the_fresh_one(tiny, tmp_path, which):
    chosen = method(optimise=which, inner_steps=1)
    trajectory = inverted(tiny, chosen, clean(1))
    path = tmp_path / "kept.safetensors"
    save_trajectory(trajectory, path, {"model_sha256": tiny.identity.sha256})
    kept, _ = load_trajectory(path, tiny)
    fresh, again = (last(tiny, t, [plan(tiny, chosen, t).branch]).targets[0] for t in (trajectory, kept))
    assert torch.equal(fresh, again) and kept.sha256(0) == trajectory.sha256(0)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="falls to 0 at step 100, so it cannot do 101 steps"):
        DDIM(steps=101, inversion=NullTextInversion())
    with pytest.raises(ValueError, match="learns the negative prompt, which guidance scale 1 leaves out"):
        DDIM(guidance_scale=1, inversion=NullTextInversion())
    assert DDIM(guidance_scale=1, inversion=NullTextInversion(optimise="prompt")).steps == 50
