"""The mirror report: its figures against their definitions, and what the command line writes and prints."""

import json
from dataclasses import replace
from statistics import fmean, pstdev

import pytest
import torch
from PIL import Image

import zeroshift
from tests.runs import apart, clean, prompts
from tests.shell import call
from tests.test_several import pictures
from zeroshift.cli.invert_report import SEEDS
from zeroshift.diffusion.sites import select, tapped
from zeroshift.diffusion.trajectory import load_trajectory
from zeroshift.evaluation.pixels import ssim
from zeroshift.image.tensors import psnr, to_bytes, to_tensor
from zeroshift.inversion import CleanLatents, InversionContext, Redescription
from zeroshift.reports.attention_figure import LINE, MARGIN, TILE, Row, draw
from zeroshift.reports.mirror import Spread, arms_of, compare, displacements, pixels, spread, walked, word_maps

STEPS = 4
LITTLE = Redescription(lambda_kl=0.3, learning_rate=0.1, inner_steps=2, stop_loss=0.0, stop_rise=0.0)
PLAN = InversionContext(STEPS, 5.0, (0,))


@pytest.fixture(scope="module")
def photograph(tiny) -> CleanLatents:
    (source,) = pictures(1)
    x = to_tensor([source.image]).double()
    return CleanLatents(x, tiny.encode(x), prompts(tiny))


@pytest.fixture(scope="module")
def found(tiny, photograph):
    return compare(tiny, photograph, LITTLE, PLAN, (3, 4))


def test_each_arm_is_what_its_name_says():
    ddim, regularised, without, with_it = arms_of(LITTLE)
    assert (ddim.inversion.lambda_kl, ddim.inversion.inner_steps) == (0, 0)
    assert (regularised.inversion.kind, regularised.inversion.lambda_ac) == ("regularised", 0.3)
    assert without.inversion == replace(LITTLE, inner_steps=0) and with_it.inversion is LITTLE
    assert [arm.random for arm in (ddim, regularised, without, with_it)] == [False, True, False, False]
    without = arms_of(replace(LITTLE, optimiser="residual"))[2]
    assert (without.inversion.optimiser, without.inversion.inner_steps) == ("adam", 0)


def test_figures_against_their_definitions(tiny, photograph, found):
    mirror, way = found
    photo, vae = to_bytes((photograph.pictures + 1) * 127.5), pixels(tiny, photograph.x0)
    made = pixels(tiny, way.back[-1])
    assert mirror.vae_psnr_db == pytest.approx(float(psnr(vae, photo)))
    last = mirror.arms[-1]
    assert last.psnr_db == Spread(pytest.approx(float(psnr(made, photo))), 0)
    assert last.psnr_to_vae_db == Spread(pytest.approx(float(psnr(made, vae))), 0)
    assert last.displacement == pytest.approx(
        [float((a - b).pow(2).mean() ** 0.5) for a, b in zip(way.up, way.back, strict=True)]
    )
    assert last.displacement[0] == 0 < last.displacement[-1] and len(last.displacement) == STEPS + 1
    assert (last.ssim.mean, last.ssim_to_vae.mean) == pytest.approx((ssim(made, photo), ssim(made, vae)))
    assert ssim(photo, photo) == pytest.approx(1) and ssim(photo, 255 - photo) < 0


def test_random_inversions_are_spread_over_seeds_and_others_are_not(tiny, photograph, found):
    mirror, _ = found
    assert [arm.seeds for arm in mirror.arms] == [(), (3, 4), (), ()]
    regularised = arms_of(LITTLE)[1].inversion
    ways = [walked(tiny, photograph, regularised, replace(PLAN, seeds=(seed,))) for seed in (3, 4)]
    photo = to_bytes((photograph.pictures + 1) * 127.5)
    values = [float(psnr(pixels(tiny, way.back[-1]), photo)) for way in ways]
    assert mirror.arms[1].psnr_db == Spread(pytest.approx(fmean(values)), pytest.approx(pstdev(values)))
    assert apart(ways[0].up[0], ways[1].up[0]) > 0
    assert spread([1.0, 3.0]) == Spread(2.0, 1.0) and spread([float("inf")]) == Spread(None, 0.0)


@pytest.mark.parametrize("inversion", [LITTLE, replace(LITTLE, official=True)])
def test_both_ways_begin_at_one_latent_and_lie_at_the_same_levels(tiny, inversion):
    photograph = CleanLatents(torch.zeros(1, 3, 32, 32), clean(1), prompts(tiny))
    way = walked(tiny, photograph, inversion, PLAN)
    assert torch.equal(way.up[0], way.back[0]) and torch.equal(way.up[-1], clean(1))
    assert (len(way.up), len(way.back)) == (STEPS - 1 if inversion.official else STEPS + 1, STEPS + 1)


def test_exact_reconstruction_is_said_to_be_equal(tiny, photograph):
    mirror, way = compare(tiny, photograph, replace(LITTLE, optimiser="residual"), PLAN, (0,))
    assert mirror.arms[-1].psnr_to_vae_db == Spread(None, 0) and max(displacements(way)) == 0
    assert json.loads(json.dumps(mirror.as_dict()))["arms"][-1]["psnr_to_vae_db"]["mean"] is None


def test_a_words_map_is_the_mean_of_its_tokens_over_layers_and_heads(tiny):
    maps = word_maps(tiny, clean(1), 501, prompts(tiny), [(1,), (2, 3)])
    wanted, finest = select("cross", "probs"), []

    def keep(site, part, compute):
        probs = compute()
        side = 8 // site.scale
        grid = probs[0].mean(0).T.reshape(-1, side, side)  # (L, side, side)
        finest.append(torch.nn.functional.interpolate(grid[None], (8, 8), mode="bilinear")[0])
        return probs

    with tapped(tiny, wanted) as taps, taps.listening(keep, wanted):
        tiny.predict(clean(1), 501, prompts(tiny))
    mean = sum(finest) / len(finest)
    assert apart(maps[0], mean[1]) <= 1e-12 and apart(maps[1], (mean[2] + mean[3]) / 2) <= 1e-12


def test_figure_has_a_column_per_word_and_a_line_per_row():
    maps = torch.tensor([[[0.0, 0.5], [0.25, 0.25]], [[2.0, 2.0], [0.0, 0.0]]])
    figure = draw(["a", "cat"], [Row("step 0", maps, torch.tensor([0.5, 2.0]))])
    assert figure.size == (MARGIN + 2 * TILE, LINE + TILE)
    middle = [(MARGIN + TILE // 4, LINE + TILE // 4), (MARGIN + 3 * TILE // 4, LINE + TILE // 4)]
    assert [figure.getpixel(at) for at in middle] == [0, 255]
    assert figure.getpixel((MARGIN + TILE + TILE // 4, LINE + 3 * TILE // 4)) == 0


@pytest.fixture
def words(tmp_path, checkpoint):
    pictures(1)[0].image.save(tmp_path / "cat.png")
    little = ("--lambda-kl", "0.3", "--inner-steps", "1", "--steps", str(STEPS), "--model", checkpoint)
    return ("invert", tmp_path / "cat.png", "--source", "cat", "--inversion", "redescription", *little)


def test_command_line_writes_report_figure_and_inversion(capsys, tmp_path, words, checkpoint):
    saved = tmp_path / "x.safetensors"
    done = call(capsys, *words, "--report", tmp_path / "report", "-o", saved)
    assert done.code == 0 and "VAE alone" in done.out and "without redescription" in done.out
    report = json.loads((tmp_path / "report/report.json").read_text())
    assert [arm["name"] for arm in report["arms"]][-2:] == ["without redescription", "with redescription"]
    assert report["arms"][1]["seeds"] == list(range(SEEDS)) and report["facts"]["steps"] == str(STEPS)
    with Image.open(tmp_path / "report/attention.png") as figure:
        assert figure.size == (MARGIN + 5 * TILE, LINE + 6 * TILE)  # a photo of a cat; three steps, both ways
    trajectory, facts = load_trajectory(saved, zeroshift.load(checkpoint).backbone)
    assert facts == report["facts"] and len(trajectory.learned.prompts) == STEPS


def test_report_as_json_is_one_object(capsys, tmp_path, words):
    done = call(capsys, *words, "--report", tmp_path / "report", "--json")
    printed = json.loads(done.out)
    assert done.code == 0 and printed["arms"] and not list(tmp_path.glob("*.safetensors"))


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--inversion", "ddim", "--report", "r"), "The mirror report is about prompt redescription"),
        ((), "--output"),
    ],
)
def test_what_cannot_be_reported_is_refused_before_any_work(capsys, tmp_path, more, sentence):
    done = call(capsys, "invert", tmp_path / "nowhere.png", "--source", "cat", *more)
    assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
    assert sentence in done.err and not list(tmp_path.iterdir())
