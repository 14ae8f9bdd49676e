"""The terms of refinement's loss, each against its formula."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tests.refinement import CPU, photographs, seeded
from tests.runs import apart
from zeroshift.control.losses import gram, perceptual, squared, style
from zeroshift.control.patch_discriminator import Discriminators, hinge, judge, levels, starting_weights
from zeroshift.control.perceptual import load_vgg, vgg_features


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
    network.load_state_dict({name.removeprefix("features."): value for name, value in weights.tensors.items()})
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


def test_files_that_are_no_vgg(tmp_path, vgg):
    with pytest.raises(ValueError, match="There is no file"):
        load_vgg(tmp_path / "none.safetensors", CPU)
    (tmp_path / "text.safetensors").write_text("x")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    for name in ("text", "other"):
        with pytest.raises(ValueError, match="does not hold torchvision's VGG16"):
            load_vgg(tmp_path / f"{name}.safetensors", CPU)
    tensors = load_vgg(vgg, CPU).tensors
    save_file({**tensors, "features.0.bias": torch.zeros(3)}, tmp_path / "small.safetensors")
    with pytest.raises(ValueError, match="is another network than VGG16"):
        load_vgg(tmp_path / "small.safetensors", CPU)
