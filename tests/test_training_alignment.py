"""The denoiser's middle, aligned with what an ImageNet network sees."""

import math

import pytest
import torch
import torch.nn.functional as F

from zeroshift.miniature.training import clip, decoder, denoiser
from zeroshift.miniature.training.alignment import Alignment, middle_of
from zeroshift.miniature.training.loop import StageOptions
from zeroshift.miniature.training.tokenizer import train_tokenizer

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")


@pytest.fixture
def alignment():
    for name in decoder.PACKAGES:
        pytest.importorskip(name)
    torch.manual_seed(0)
    return Alignment(0.7, 32, torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8))


@pytest.fixture
def stage(alignment):
    tokenizer = train_tokenizer(["a photo of a cat"], 300, 12)
    return denoiser.DenoiserStage(
        denoiser.build(8, 4, 32, (16, 32, 32)),
        clip.build(tokenizer, 32, width=32, layers=1).text_model,
        tokenizer=tokenizer,
        latents=torch.randn(2, 3, 4, 8, 8),
        scenes=["a cat"] * 3,
        options=StageOptions(),
        alignment=alignment,
    )


INDICES, MIRRORED = torch.tensor([2, 0]), torch.tensor([1, 0])


def test_the_loss_is_one_less_the_cosines_at_all_places(alignment):
    """Against every place's cosine by hand, with the published network's features up to that block."""
    middle = torch.randn(2, 32, 2, 2)
    x = torch.stack([alignment.pictures[2].flip(-1), alignment.pictures[0]]) / 127.5 - 1
    features = decoder.ImageNetFeatures()(x)[2]  # at an eighth of the side: (2, 40, 4, 4)
    large = F.interpolate(alignment.projection(middle).detach(), scale_factor=2, mode="bilinear")
    cosines = []
    for made, seen in zip(large, features, strict=True):
        centred = seen - seen.mean((1, 2))[:, None, None]
        scaled = centred / centred.square().mean((1, 2)).sqrt()[:, None, None]
        for y in range(4):
            for x in range(4):
                a, b = made[:, y, x], scaled[:, y, x]
                cosines.append((a @ b).item() / math.sqrt((a @ a) * (b @ b)))
    assert len(cosines) == 32
    assert alignment(middle, INDICES, MIRRORED).item() == pytest.approx(1 - sum(cosines) / 32, abs=1e-4)


def test_the_teacher_is_neither_trained_nor_kept(alignment):
    assert {name for name, _ in alignment.named_parameters()} == {"projection.weight", "projection.bias"}
    assert alignment.state_dict().keys() == {"projection.weight", "projection.bias"}


def test_alignment_is_added_with_its_weight_up_to_half_of_the_budget(stage):
    def trained(progress, alignment):
        stage.progress, stage.alignment = progress, alignment
        torch.manual_seed(1)
        return stage.training_step(torch.tensor([2, 0, 1]), 0)

    alignment = stage.alignment
    torch.manual_seed(1)
    mirrored, seen = torch.randint(2, (3,)), []
    handle = stage.model.mid_block.register_forward_hook(lambda block, given, made: seen.append(made))
    plain, begun = trained(0.0, None), trained(0.49, alignment)
    handle.remove()
    wanted = alignment(seen[1], torch.tensor([2, 0, 1]), mirrored)
    torch.testing.assert_close(begun, plain + 0.7 * wanted)
    assert trained(0.5, alignment) == plain


def test_middles_learn_from_it_and_later_only_their_gradients_are_there(stage):
    """Of weights without a gradient several processes would wait for ever."""
    for progress, learns in ((0.0, True), (0.6, False)):
        stage.zero_grad()
        stage.progress = progress
        stage.training_step(torch.tensor([2, 0, 1]), 0).backward()
        weights = [*stage.alignment.projection.parameters()]
        assert all(w.grad is not None and bool(w.grad.any()) == learns for w in weights)


def test_the_middle_is_seen_only_within(stage):
    unet = stage.model
    given = torch.randn(1, 4, 8, 8), torch.tensor([5]), torch.randn(1, 12, 32)
    with pytest.raises(ZeroDivisionError), middle_of(unet) as middle:
        unet(*given)
        raise ZeroDivisionError
    assert [one.shape for one in middle] == [(1, 32, 2, 2)]
    unet(*given)
    assert len(middle) == 1 and not unet.mid_block._forward_hooks
