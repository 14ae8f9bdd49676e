"""Refinement: every term against its formula, the optimisation, what is decoded, and what is refused."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tests.runs import TASK, apart, clean, inverted, last, prompts
from tests.test_clip_guidance import decoded, slope
from zeroshift.backbones.locate import find_configs
from zeroshift.backbones.outline import outline_of
from zeroshift.conditioning.base import Run
from zeroshift.control import ClipGuidance, Refinement, SamplingNoise
from zeroshift.control.base import Control, Here, Stack
from zeroshift.control.losses import clip_distance, gram, perceptual, squared, style
from zeroshift.control.patch_discriminator import Discriminators, hinge, judge, levels, starting_weights
from zeroshift.control.perceptual import load_vgg, shapes, vgg_features
from zeroshift.counting import sampling_flops
from zeroshift.methods import DDIM, Method
from zeroshift.methods.base import plan
from zeroshift.operations import counted
from zeroshift.sites import Taps
from zeroshift.trajectory import Trajectory

STEPS = 4
PLAIN = DDIM(steps=STEPS, guidance_scale=3.0)
CPU = torch.device("cpu")


def seeded(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


def photographs(count: int, side: int = 32) -> torch.Tensor:
    return torch.stack([seeded(20 + k, 3, side, side).tanh() for k in range(count)])


@pytest.fixture(scope="module")
def vgg(tmp_path_factory):
    """A random VGG16 of torchvision's shapes."""
    path = tmp_path_factory.mktemp("vgg") / "vgg16.safetensors"
    tensors = {name: seeded(k, *shape).float() * 0.05 for k, (name, shape) in enumerate(shapes().items())}
    save_file({**tensors, "classifier.0.bias": torch.zeros(2)}, path)
    return path


def refined(**options: object) -> DDIM:
    return replace(PLAIN, extras=(Refinement(**options),))


def run_of(backbone, method: Method, x0: torch.Tensor, pictures: torch.Tensor | None) -> Run:
    trajectory = inverted(backbone, method, x0)
    prompt, seen = prompts(backbone, len(x0)), pictures is not None
    return Run(backbone, TASK, prompt, trajectory, method.guidance_scale, seen, pictures=pictures)


def edited(backbone, method: Method, x0: torch.Tensor, pictures: torch.Tensor | None) -> torch.Tensor:
    run = run_of(backbone, method, x0, pictures)
    return last(backbone, run.trajectory, [plan(method, run).branch], reconstruct=False).targets[0]


def at_end(backbone, method: Method, pictures: torch.Tensor) -> tuple[Here, Control]:
    """Return the last step's surroundings, and the extra."""
    run = run_of(backbone, method, clean(len(pictures)), pictures)
    branch = plan(method, run).branch
    here = Here(backbone, run.trajectory, Taps(()), STEPS - 1, branch.conditioning.target(0), ())
    assert isinstance(branch.control, Stack)
    return here, branch.control.controls[-1]


def test_means_and_gram_matrices_written_out():
    a, b = seeded(1, 2, 3, 4, 5), seeded(2, 2, 3, 4, 5)
    for n in range(2):
        difference = sum(float(d) ** 2 for d in (a[n] - b[n]).flatten()) / 60
        assert float(squared(a, b)[n]) == pytest.approx(difference, rel=1e-12)
        for i in range(3):
            for j in range(3):
                together = sum(float(a[n, i, y, x] * a[n, j, y, x]) for y in range(4) for x in range(5)) / 60
                assert float(gram(a)[n, i, j]) == pytest.approx(together, rel=1e-12)
    layers, others = [a, a[:, :2]], [b, b[:, :2]]
    assert torch.equal(perceptual(layers, others), (squared(a, b) + squared(a[:, :2], b[:, :2])) / 2)
    distances = [(gram(x) - gram(y)).square().mean((1, 2)) for x, y in zip(layers, others, strict=True)]
    assert apart(style(layers, others), (distances[0] + distances[1]) / 2) <= 1e-15


def test_features_are_those_of_torchvisions_network(vgg):
    """The layers in torchvision's order, numbered as there, with the rectifiers of which features are taken."""
    layers, before = [], 3
    for width in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512):
        layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()] if width else [nn.MaxPool2d(2, 2)]
        before = width or before
    network, weights = nn.Sequential(*layers), load_vgg(vgg, CPU)
    network.load_state_dict({name.removeprefix("features."): value for name, value in weights.items()})
    pictures = photographs(1).float()
    x, found = (pictures + 1) / 2, vgg_features(weights, pictures)
    x = torch.stack([(x[:, c] - (0.485, 0.456, 0.406)[c]) / (0.229, 0.224, 0.225)[c] for c in range(3)], 1)
    for number, feature in zip((3, 8, 15, 22), found, strict=True):  # relu1_2, relu2_2, relu3_3, relu4_3
        assert apart(network[: number + 1](x).detach(), feature) <= 1e-5


def test_hinge_written_out():
    real, fake = seeded(1, 3, 2, 4, 4), seeded(2, 3, 2, 4, 4)
    for n in range(2):
        wanted = sum(max(0.0, 1 - float(v)) for v in real[:, n].flatten()) / 48
        wanted += sum(max(0.0, 1 + float(v)) for v in fake[:, n].flatten()) / 48
        assert float(hinge(real, fake)[n]) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(("side", "depth"), [(16, 1), (32, 1), (34, 2), (64, 2), (70, 3), (512, 3)])
def test_as_many_levels_as_fit(side, depth):
    assert levels(side) == depth


def test_the_discriminator_is_the_patch_network():
    """Layers of 4 x 4: halving ones, one more, the score; a norm in all but the first and the last."""
    generator = torch.Generator().manual_seed(0)
    weights, pictures = starting_weights(2, 2, seeded(0, 1), generator), seeded(3, 2, 2, 3, 48, 40)
    layers: list[nn.Module] = []
    for k, (a, b) in enumerate([(3, 64), (64, 128), (128, 256), (256, 1)]):
        layers += [nn.Conv2d(a, b, 4, stride=2 if k < 2 else 1, padding=1, bias=False, dtype=torch.float64)]
        layers += [nn.InstanceNorm2d(b)] if k in (1, 2) else []
        layers += [nn.LeakyReLU(0.2)] if k < 3 else []
    network = nn.Sequential(*layers)
    convolutions = [layer for layer in network if isinstance(layer, nn.Conv2d)]
    for n in range(2):
        for layer, weight in zip(convolutions, weights, strict=True):
            layer.weight.data = weight.detach()[len(weight) // 2 * n : len(weight) // 2 * (n + 1)]
        with torch.no_grad():
            assert apart(judge(weights, pictures)[:, n], network(pictures[:, n])[:, 0]) <= 1e-12


def test_discriminators_learn_and_each_on_its_own():
    real, fake = photographs(2), seeded(9, 2, 3, 32, 32).tanh()
    both, alone = Discriminators(real, 5), [Discriminators(real[k : k + 1], 5) for k in range(2)]
    before = hinge(judge(both.weights, real[None]), judge(both.weights, fake[None]))
    for _ in range(3):
        both.learn(fake)
        for k in range(2):
            alone[k].learn(fake[k : k + 1])
    assert (hinge(judge(both.weights, real[None]), judge(both.weights, fake[None])) < before).all()
    assert apart(both.distance(fake), torch.cat([alone[k].distance(fake[k : k + 1]) for k in range(2)])) <= 1e-10


def test_the_loss_is_the_weighted_sum(tiny, vgg):
    method = refined(vgg=vgg, refine_patches=0.3, refine_seed=2)
    pictures, latents = photographs(2), clean(2)
    here, control = at_end(tiny, method, pictures)
    found = control.judge.losses(latents, here)
    shown, weights = tiny.decode(latents), load_vgg(vgg, CPU)
    features, others = vgg_features(weights, shown), vgg_features(weights, pictures)
    critics = Discriminators(pictures, 2)
    critics.learn(shown)
    wanted = 0.1 * squared(shown, pictures) + 0.5 * perceptual(features, others) + 0.2 * style(features, others)
    wanted += 0.2 * clip_distance(tiny.clip, shown, tiny.clip.text_features([TASK.target_prompt]))
    assert apart(found, wanted + 0.3 * critics.distance(shown)) <= 1e-12


def test_its_gradient_is_its_slope(tiny, vgg):
    here, control = at_end(tiny, refined(vgg=vgg, refine_style=50.0), photographs(1))
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
    push = 0.5 * (1 - level) ** 0.5 * g / g.square().mean().sqrt()
    assert apart(moved[1], eps + push) <= 1e-12
    assert apart(moved[0], x0 - ((1 - level) / level) ** 0.5 * push) <= 1e-12
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


NOTHING = {"refine_l2": 0.0, "refine_clip": 0.0}


def test_what_is_off_costs_nothing(tiny):
    def refuse():
        raise AssertionError("CLIP was opened")

    blind, pictures = replace(tiny, open_clip=refuse), photographs(1)
    plain = edited(tiny, PLAIN, clean(1), pictures)
    with decoded(tiny) as rows:
        for options in (NOTHING, {"refine": "guidance", "refine_scale": 0.0}):
            assert torch.equal(edited(blind, refined(**options), clean(1), pictures), plain)
    assert not rows
    with decoded(tiny) as rows:
        edited(blind, refined(refine_clip=0.0, refine_steps=3), clean(1), pictures)
    assert rows == [1, 1, 1]
    with decoded(tiny) as rows:
        edited(tiny, refined(refine="guidance", refine_last=2), clean(1), pictures)
    assert rows == [1, 1]


def test_a_generated_source_is_decoded_first(tiny):
    """Its last latent is what the finished one is held against."""
    method, x0 = refined(refine_steps=2, refine_clip=0.0), clean(1)
    with decoded(tiny) as rows:
        found = edited(tiny, method, x0, None)
    assert rows == [1, 1, 1]
    run = run_of(tiny, PLAIN, x0, None)
    source = last(tiny, run.trajectory, [plan(PLAIN, run).branch]).source
    assert apart(found, edited(tiny, method, x0, tiny.decode(source))) <= 1e-10


def test_steering_towards_a_source_that_is_not_there_is_refused(tiny):
    with pytest.raises(ValueError, match="cannot be steered towards a source that is still being generated"):
        edited(tiny, refined(refine="guidance"), clean(1), None)
    assert edited(tiny, refined(refine="guidance", refine_l2=0.0), clean(1), None).isfinite().all()


@pytest.mark.parametrize("term", ["refine_perceptual", "refine_style"])
def test_terms_on_features_need_weights(term, vgg):
    with pytest.raises(ValueError, match=r"there are no weights of it; give --vgg FILE"):
        Refinement(**{term: 0.1})
    assert Refinement(**{term: 0.0}).weights.deep is False
    assert (Refinement(vgg=vgg).weights.perceptual, Refinement(vgg=vgg).weights.style) == (0.5, 0.2)


def test_files_that_are_no_vgg(tmp_path, vgg):
    with pytest.raises(ValueError, match="There is no file"):
        load_vgg(tmp_path / "none.safetensors", CPU)
    (tmp_path / "text.safetensors").write_text("x")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    for name in ("text", "other"):
        with pytest.raises(ValueError, match="does not hold torchvision's VGG16"):
            load_vgg(tmp_path / f"{name}.safetensors", CPU)
    tensors = load_vgg(vgg, CPU)
    save_file({**tensors, "features.0.bias": torch.zeros(3)}, tmp_path / "small.safetensors")
    with pytest.raises(ValueError, match="is another network than VGG16"):
        load_vgg(tmp_path / "small.safetensors", CPU)


COUNTED = {
    "final": (Refinement(refine_steps=2, refine_patches=0.1),),
    "guidance": (Refinement(refine="guidance", refine_last=2),),
    "clip": (ClipGuidance(clip_gradient="full", clip_preview="linear", clip_crops=2, clip_until=0.8),),
}


@pytest.mark.parametrize("name", COUNTED)
def test_extended_counts_equal_a_real_run_of_every_step(tiny, name):
    method = replace(PLAIN, extras=COUNTED[name])
    run = run_of(tiny, method, clean(1), photographs(1))
    branches = [plan(method, run).branch for _ in range(2)]
    done = counted(lambda: last(tiny, run.trajectory, branches[:1], reconstruct=False))[1]
    assert sampling_flops(tiny, run.trajectory, branches[1:]) == pytest.approx(done, rel=1e-12)


def test_shapes_alone_count_as_much(tiny, checkpoint):
    everything = (*COUNTED["clip"], SamplingNoise(), *COUNTED["final"])
    method = replace(PLAIN, steps=1, guidance_scale=1.0, extras=everything)
    done = []
    for backbone in (tiny, outline_of(find_configs(checkpoint, None, None))):
        start = clean(1).to(backbone.device, backbone.unet.dtype)
        run = replace(run_of(tiny, method, clean(1), photographs(1)), backbone=backbone)
        run = replace(run, prompt=prompts(backbone), trajectory=Trajectory(backbone.schedule(1), (start,)))
        branch = plan(method, run).branch
        done.append(counted(lambda run=run, branch=branch: last(run.backbone, run.trajectory, [branch]))[1])
    assert done[0] == done[1]
