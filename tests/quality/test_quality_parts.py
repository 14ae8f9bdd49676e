"""Kernel distance, return from inversion, neighbours and the model card, against plain loops."""

import math

import pytest
import torch
from torch import Tensor

from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.evaluation.bars import BEGIN, END, Bar, bars, check_card, markdown, write_card
from zeroshift.evaluation.inversion import returned
from zeroshift.evaluation.kernel_distance import coarsened, halves, kernel_distance
from zeroshift.evaluation.neighbours import beside, nearest
from zeroshift.pictures import to_bytes

FIGURES = {
    "steps": 50.0,
    "vae_psnr_db": 28.0,
    "patch_pca_psnr_db": 25.5,
    "classifier_test_balanced_accuracy": 0.981,
    "classifier_coat_accuracy": 0.79,
    "prompt_agreement": 0.97,
    "prompts": 200.0,
    "guidance_scale": 2.5,
    "caption_animal_accuracy": 0.95,
    "coat_agreement": 0.75,
    "coat_agreement_cat_black_and_white": 0.75,
    "coat_prompts": 50.0,
    "kid_samples": 0.02,
    "kid_coarsened": 0.01,
    "kid_half": -0.001,
    "nearest_samples": 0.9,
    "nearest_test": 0.95,
    "inversion_psnr_db": 26.4,
    "inversion_vae_psnr_db": 28.0,
    "inversions": 50.0,
}


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def looped(x: Tensor, y: Tensor) -> float:
    """Binkowski et al., Eq. 4 with their kernel, one pair of pictures at a time."""
    dims = x.shape[1]

    def kernel(a: Tensor, b: Tensor) -> float:
        return (sum(p * q for p, q in zip(a.tolist(), b.tolist(), strict=True)) / dims + 1) ** 3

    m, n = len(x), len(y)
    within_x = sum(kernel(x[i], x[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    within_y = sum(kernel(y[i], y[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    return within_x + within_y - 2 * sum(kernel(a, b) for a in x for b in y) / (m * n)


def test_kernel_distance_is_the_formula() -> None:
    x, y = random(5, 6), random(8, 6, seed=1) + 0.5
    assert kernel_distance(x, y) == pytest.approx(looped(x, y), rel=1e-12)
    assert kernel_distance(x.float(), y.float()) == pytest.approx(looped(x, y), rel=1e-5)


def test_kernel_distance_is_torchmetrics_one_where_that_is_defined() -> None:
    """Its own takes sets of one size."""
    kid = pytest.importorskip("torchmetrics.image.kid")
    x, y = random(7, 5), random(7, 5, seed=1) * 2
    assert kernel_distance(x, y) == pytest.approx(float(kid.poly_mmd(x, y)), rel=1e-12)


def test_kernel_distance_of_one_distribution_is_zero_on_average() -> None:
    draws = [kernel_distance(random(20, 4, seed=2 * k), random(20, 4, seed=2 * k + 1)) for k in range(200)]
    mean = sum(draws) / len(draws)
    deviation = math.sqrt(sum((d - mean) ** 2 for d in draws) / len(draws) / (len(draws) - 1))
    assert min(draws) < 0 < max(draws)
    assert abs(mean) < 3 * deviation


def test_kernel_distance_needs_two_pictures() -> None:
    with pytest.raises(ValueError, match="two pictures on each side, not 1 and 3"):
        kernel_distance(random(1, 2), random(3, 2))


def test_halves_share_nothing_and_are_the_same_every_time() -> None:
    one, other = halves(11)
    assert sorted([*one.tolist(), *other.tolist()]) == list(range(11))
    assert len(one) == 5
    assert torch.equal(one, halves(11)[0])
    assert one.tolist() != sorted(one.tolist())


def test_coarsening_keeps_what_is_wide_and_loses_what_is_fine() -> None:
    fine = ((torch.arange(64)[:, None] + torch.arange(64)) % 2 * 255).to(torch.uint8).expand(1, 3, 64, 64)
    wide = (torch.arange(64) // 32 * 255).to(torch.uint8).expand(1, 3, 64, 64)
    assert (coarsened(fine)[..., 4:-4, 4:-4].int() - 127).abs().max() < 5
    assert (coarsened(wide).float() - wide).abs().mean() < 6
    assert torch.equal(coarsened(wide, side=64), wide)


def looped_return(tiny: StableDiffusion, x: Tensor, caption: str, steps: int) -> Tensor:
    """DDIM up and down (Song et al. 2021, section 4.3), asked at the level reached on the way up."""
    alphas, stride = tiny.scheduler.alphas_cumprod.double(), 1000 // steps
    times, tokens = [1 + stride * k for k in range(steps)], tiny.embed([caption]).tokens

    def move(x: Tensor, eps: Tensor, left: Tensor, reached: Tensor) -> Tensor:
        return reached.sqrt() * (x - (1 - left).sqrt() * eps) / left.sqrt() + (1 - reached).sqrt() * eps

    level = alphas[0]
    for t in times:
        x, level = move(x, tiny.predict(x, t, tokens), level, alphas[t]), alphas[t]
    for t in reversed(times):
        lower = alphas[t - stride] if t > stride else alphas[0]
        x = move(x, tiny.predict(x, t, tokens), alphas[t], lower)
    return x


@torch.no_grad()
def test_returned_pictures_are_the_loops(tiny: StableDiffusion) -> None:
    draw = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (3, 3, tiny.size, tiny.size), dtype=torch.uint8, generator=draw)
    captions = ["a photo of a cat", "a photo of a dog", "a cat"]
    back, alone = (torch.cat(x) for x in zip(*returned(tiny, pictures, captions, steps=4, batch=2), strict=True))
    assert back.dtype == alone.dtype == torch.uint8
    for k, caption in enumerate(captions):
        x0 = tiny.encode(pictures[k : k + 1].float() / 127.5 - 1)
        latents = looped_return(tiny, x0, caption, 4)
        for found, x in ((back, latents), (alone, x0)):
            expected = to_bytes((tiny.decode(x) + 1) * 127.5)
            assert (found[k : k + 1].int() - expected.int()).abs().max() <= 1
    assert not torch.equal(back, alone)


def test_neighbours_are_those_of_largest_cosine() -> None:
    x, among = random(4, 6), random(9, 6, seed=1)
    values, positions = nearest(x, among, 3)
    for k, a in enumerate(x):
        cosines = [float(a @ b / math.sqrt(float(a @ a) * float(b @ b))) for b in among]
        order = sorted(range(9), key=lambda n: -cosines[n])[:3]
        assert positions[k].tolist() == order
        assert values[k].tolist() == pytest.approx([cosines[n] for n in order])
    assert nearest(x, among[:2])[1].shape == (4, 2)


def test_a_sample_stands_before_its_neighbours() -> None:
    samples, pictures = torch.tensor([10, 20]), torch.arange(5)
    tiles = [x[:, None, None, None].expand(-1, 3, 1, 1) for x in (samples, pictures)]
    row = beside(tiles[0], tiles[1], torch.tensor([[4, 0], [1, 2]]))
    assert row[:, 0, 0, 0].tolist() == [10, 4, 0, 20, 1, 2]


def test_bars_are_reached_on_their_side_of_the_aim() -> None:
    assert [bar.reached for bar in bars(FIGURES)] == [True, True, True, True, False, False, True, False, True, None]
    assert Bar("", 1.5, 1.5, "dB", at_most=True).reached and Bar("", 0.97, 0.97, "%").reached
    assert Bar("", None, 1.5, "dB").cells() == ("", "not measured", "≥ 1.50 dB", "")


def test_the_card_is_remade_between_its_marks(tmp_path) -> None:
    card = tmp_path / "README.md"
    card.write_text(f"# Model\n\n{BEGIN}\n{END}\n\nLicence | none\n", encoding="utf-8")
    write_card(card, FIGURES)
    first = card.read_text(encoding="utf-8")
    assert first == f"# Model\n\n{BEGIN}\n\n{markdown(FIGURES)}\n\n{END}\n\nLicence | none\n"
    assert "| samples that show their prompt's animal | 97.0 % | ≥ 97.0 % | yes |" in first
    assert "cat black and white 75.0 %" in first
    write_card(card, FIGURES)
    assert card.read_text(encoding="utf-8") == first
    write_card(card, {**FIGURES, "prompt_agreement": 0.5})
    assert "| 50.0 % | ≥ 97.0 % | no |" in card.read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["", BEGIN, f"{END}\n{BEGIN}", f"{BEGIN}{BEGIN}{END}"])
def test_a_file_without_both_marks_is_no_card(tmp_path, text: str) -> None:
    (tmp_path / "card.md").write_text(text)
    with pytest.raises(ValueError, match="must have one line <!-- figures -->"):
        check_card(tmp_path / "card.md")
