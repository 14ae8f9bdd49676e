"""Kernel distance, return from inversion, neighbours and the model card, against plain loops."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.evaluation.bars import Bar, bars
from zeroshift.evaluation.card import BEGIN, END, check_card, markdown, remarks, write_card
from zeroshift.evaluation.inversion import returned
from zeroshift.evaluation.kernel_distance import coarsened, halves, kernel_distance, over_halvings
from zeroshift.evaluation.neighbours import beside, nearest
from zeroshift.extent import Extent, check_full
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
    "kid_samples_deviation": 0.002,
    "kid_coarsened_deviation": 0.003,
    "kid_half_deviation": 0.0004,
    "nearest_samples_max": 0.8,
    "nearest_samples_mean": 0.7,
    "nearest_test_max": 0.9,
    "nearest_test_mean": 0.6,
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


def test_kernel_distances_are_averaged_over_halvings() -> None:
    samples, test, coarse = random(5, 4), random(9, 4, seed=1), random(9, 4, seed=2)
    found = over_halvings(samples, test, coarse, count=3)
    draws: dict[str, list[float]] = {"samples": [], "coarsened": [], "half": []}
    for seed in range(3):
        order = torch.randperm(9, generator=torch.Generator().manual_seed(seed))
        one, other = order[:4], order[4:]
        for name, side in (("samples", samples), ("coarsened", coarse[other]), ("half", test[other])):
            draws[name].append(looped(side, test[one]))
    for name, values in draws.items():
        mean = sum(values) / 3
        assert found[f"kid_{name}"] == pytest.approx(mean)
        assert found[f"kid_{name}_deviation"] == pytest.approx(math.sqrt(sum((v - mean) ** 2 for v in values) / 2))
        assert len(set(values)) == 3
    assert len(found) == 6


def test_coarsening_keeps_what_is_wide_and_loses_what_is_fine() -> None:
    fine = ((torch.arange(64)[:, None] + torch.arange(64)) % 2 * 255).to(torch.uint8).expand(1, 3, 64, 64)
    wide = (torch.arange(64) // 32 * 255).to(torch.uint8).expand(1, 3, 64, 64)
    assert (coarsened(fine)[..., 4:-4, 4:-4].int() - 127).abs().max() < 5
    assert (coarsened(wide).float() - wide).abs().mean() < 6
    assert torch.equal(coarsened(wide, side=64), wide)


def noise_in(model: StableDiffusion, x: Tensor, t: int, tokens: Tensor, level: Tensor) -> Tensor:
    """The noise of ``x`` at ``level`` by what the network says at ``t``: noise itself, or a velocity of its own level.

    The latter are two equations in clean part and noise (Salimans and Ho 2022, appendix D).
    """
    out = model.predict(x, t, tokens)
    if model.scheduler.config.prediction_type == "epsilon":
        return out
    told = model.scheduler.alphas_cumprod.double()[t]
    rows = torch.stack([level.sqrt(), (1 - level).sqrt(), -(1 - told).sqrt(), told.sqrt()]).view(2, 2)
    _, noise = torch.linalg.solve(rows, torch.stack([x, out]).flatten(1))
    return noise.view_as(x)


def looped_return(model: StableDiffusion, x: Tensor, caption: str, steps: int) -> Tensor:
    """DDIM up and down (Song et al. 2021, section 4.3), asked at the level reached on the way up."""
    alphas, stride = model.scheduler.alphas_cumprod.double(), 1000 // steps
    times, tokens = [1 + stride * k for k in range(steps)], model.embed([caption]).tokens

    def move(x: Tensor, eps: Tensor, left: Tensor, reached: Tensor) -> Tensor:
        return reached.sqrt() * (x - (1 - left).sqrt() * eps) / left.sqrt() + (1 - reached).sqrt() * eps

    level = alphas[0]
    for t in times:
        x, level = move(x, noise_in(model, x, t, tokens, level), level, alphas[t]), alphas[t]
    for t in reversed(times):
        lower = alphas[t - stride] if t > stride else alphas[0]
        x = move(x, noise_in(model, x, t, tokens, alphas[t]), alphas[t], lower)
    return x


@torch.no_grad()
def test_returned_pictures_are_the_loops(backbone: StableDiffusion) -> None:
    draw, size = torch.Generator().manual_seed(0), backbone.size
    pictures = torch.randint(0, 256, (3, 3, size, size), dtype=torch.uint8, generator=draw)
    captions = ["a photo of a cat", "a photo of a dog", "a cat"]
    back, alone = (torch.cat(x) for x in zip(*returned(backbone, pictures, captions, steps=4, batch=2), strict=True))
    assert back.dtype == alone.dtype == torch.uint8
    for k, caption in enumerate(captions):
        x0 = backbone.encode(pictures[k : k + 1].float() / 127.5 - 1)
        latents = looped_return(backbone, x0, caption, 4)
        for found, x in ((back, latents), (alone, x0)):
            expected = to_bytes((backbone.decode(x) + 1) * 127.5)
            assert (found[k : k + 1].int() - expected.int()).abs().max() <= 1
    assert not torch.equal(back, alone)


def wide(count: int, seed: int) -> Tensor:
    """Return uint8 pictures (N, 3, 64, 64) of soft blots, each with a little of one blot that all have."""
    draw = torch.Generator().manual_seed(seed)
    blots = torch.rand(count, 3, 8, 8, generator=draw) + torch.rand(8, 8, generator=draw.manual_seed(9))
    return to_bytes(F.interpolate(blots, (64, 64), mode="bicubic").clamp(0, 2) * 127.5)


def test_likeness_is_the_larger_correlation_of_both_orientations() -> None:
    draw = torch.Generator().manual_seed(0)
    x, among = (torch.randint(0, 256, (n, 3, 32, 32), dtype=torch.uint8, generator=draw) for n in (4, 9))
    values, positions = nearest(x, among, 3)
    for k, picture in enumerate(x.numpy()):
        likeness = [
            max(np.corrcoef(side.ravel(), other.ravel())[0, 1] for side in (picture, picture[..., ::-1]))
            for other in among.numpy()
        ]
        order = sorted(range(9), key=lambda n: -likeness[n])[:3]
        assert positions[k].tolist() == order
        assert values[k].tolist() == pytest.approx([likeness[n] for n in order], abs=1e-5)
    assert nearest(x, among[:2])[1].shape == (4, 2)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_copy_finds_what_it_copies_also_softened_and_mirrored(mirrored: bool) -> None:
    train, others = wide(20, seed=1), wide(5, seed=2)
    copies = to_bytes(F.avg_pool2d(train[:5].float(), 5, 1, 2, count_include_pad=False) * 0.9 + 10)
    values, positions = nearest(copies.flip(-1) if mirrored else copies, train)
    assert positions[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert values[:, 0].min() > 0.98 > 0.9 > nearest(others, train)[0].max()


def test_a_sample_stands_before_its_neighbours() -> None:
    samples, pictures = torch.tensor([10, 20]), torch.arange(5)
    tiles = [x[:, None, None, None].expand(-1, 3, 1, 1) for x in (samples, pictures)]
    row = beside(tiles[0], tiles[1], torch.tensor([[4, 0], [1, 2]]))
    assert row[:, 0, 0, 0].tolist() == [10, 4, 0, 20, 1, 2]


def test_bars_are_reached_on_their_side_of_the_aim() -> None:
    assert [bar.reached for bar in bars(FIGURES)] == [True, True, True, True, False, False, True, False, True, None]
    assert Bar("", 1.5, 1.5, "dB", at_most=True).reached and Bar("", 0.97, 0.97, "%").reached
    assert Bar("", None, 1.5, "dB").cells() == ("", "not measured", "≥ 1.50 dB", "")


@pytest.mark.parametrize(
    ("fewer", "open_rows"),
    [({"prompts": 199.0}, [2, 4]), ({"coat_prompts": 49.0}, [3]), ({"inversions": 49.0}, [5])],
)
def test_too_little_says_nothing_about_an_aim(fewer: dict[str, float], open_rows: list[int]) -> None:
    found = [bar.cells()[-1] for bar in bars({**FIGURES, **fewer})]
    expected = [bar.cells()[-1] for bar in bars(FIGURES)]
    assert [k for k in range(len(found)) if found[k] != expected[k]] == open_rows
    assert {found[k] for k in open_rows} == {"too few to say"}


@pytest.mark.parametrize("steps", [49.0, 100.0])
def test_other_steps_say_nothing_about_an_aim(steps: float) -> None:
    found = [bar.cells()[-1] for bar in bars({**FIGURES, "steps": steps})]
    assert [k for k, cell in enumerate(found) if cell == "asks for 50 steps"] == [2, 3, 4, 5]


def test_a_card_takes_whole_measurements_alone() -> None:
    check_full(Extent())
    check_full(Extent(per_class=120, per_coat=60, inversions=90, bench_test=True))
    for less in ({"per_class": 99}, {"per_coat": 0}, {"inversions": 49}, {"steps": 49}, {"steps": 100}):
        with pytest.raises(ValueError, match="ask for these, or leave the card out"):
            check_full(Extent(**less))


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
    write_card(card, {**FIGURES, "prompt_agreement": 0.5}, ["Coats: too few."])
    assert "| 50.0 % | ≥ 97.0 % | no |" in card.read_text(encoding="utf-8")
    assert "\n- Left out. Coats: too few.\n" in card.read_text(encoding="utf-8")


def test_the_card_keeps_what_bench_test_told_until_it_is_read_again(tmp_path) -> None:
    card = tmp_path / "README.md"
    card.write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")
    write_card(card, {**FIGURES, "classifier_bench_test_balanced_accuracy": 0.914})
    line = "- Classifier, balanced accuracy on `bench-test`: 91.4 %, read when it had 98.1 % on `test`.\n"
    assert line in card.read_text(encoding="utf-8")
    later = {**FIGURES, "classifier_test_balanced_accuracy": 0.5}
    for _ in range(2):  # as often as the card is made again
        write_card(card, later)
        assert card.read_text(encoding="utf-8").count(line) == 1
    write_card(card, {**later, "classifier_bench_test_balanced_accuracy": 0.6})
    assert card.read_text(encoding="utf-8").count("bench-test") == 1
    assert "`bench-test`: 60.0 %, read when it had 50.0 %" in card.read_text(encoding="utf-8")


def test_remarks_say_how_figures_were_measured() -> None:
    text = "\n".join(remarks(FIGURES))
    assert "over 20 random halvings: 0.02 ± 0.002; " in text
    assert "enlarged again 0.01 ± 0.003, as it is -0.001 ± 0.0004." in text
    assert "at most 0.800 for samples and 0.900 for photographs of `test`, on average 0.700 and 0.600." in text
    assert "DDIM inversion (grid `aligned`): 50 photographs" in text


@pytest.mark.parametrize("text", ["", BEGIN, f"{END}\n{BEGIN}", f"{BEGIN}{BEGIN}{END}"])
def test_a_file_without_both_marks_is_no_card(tmp_path, text: str) -> None:
    (tmp_path / "card.md").write_text(text)
    with pytest.raises(ValueError, match="must have one line <!-- figures -->"):
        check_card(tmp_path / "card.md")
