"""Where words look: against the same in plain loops, and what is cut out of a picture by it."""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.runs import TASK, apart, clean
from zeroshift.conditioning.task import make_task
from zeroshift.control.alignment import positions
from zeroshift.diffusion.sites import recorder, tapped
from zeroshift.image.cutting import INSIDE, cut_out
from zeroshift.masks.locating import DRAWS, LEVELS, where_words_look


def scaled(values: torch.Tensor) -> torch.Tensor:
    low, high = values.quantile(0.05), values.quantile(0.95)
    return ((values - low) / (high - low)).clamp(0, 1)


def in_plain_loops(backbone, x0: torch.Tensor, seed: int) -> torch.Tensor:
    """The map of one photograph (1, C, h, w): every prompt asked alone, every layer's maps kept."""
    schedule, draw = backbone.schedule(10), torch.Generator().manual_seed(seed)
    source, target = (backbone.embed([prompt]) for prompt in (TASK.source_prompt, TASK.target_prompt))
    columns = positions(backbone.tokens(TASK.source_prompt), "cat")
    fine = [site for site in backbone.sites if site.kind == "self"]
    fine = [site for site in fine if site.scale == min(s.scale for s in fine)]
    up = [site for site in backbone.sites if site.kind == "cross" and site.stage == "up"]
    difference, attention, alike = torch.zeros(8, 8), torch.zeros(8, 8), 0
    for _ in range(DRAWS):
        noise = torch.randn(x0.shape[1:], generator=draw).double()[None]
        for share in LEVELS:
            level, timestep = schedule.level(round(10 * share)), schedule.timesteps[round(10 * share)]
            x, seen = level.alpha * x0 + level.sigma * noise, {}
            with torch.no_grad(), tapped(backbone, lambda s: frozenset({"probs"} if s in (*fine, *up) else ())) as taps:
                with taps.listening(recorder(seen), lambda s: frozenset({"probs"} if s in (*fine, *up) else ())):
                    one = backbone.predict(x, timestep, source)
                other = backbone.predict(x, timestep, target)
            difference = difference + (one - other).abs().mean((0, 1))
            alike = alike + sum(seen[site, "probs"][0].mean(0) for site in fine)
            for site in up:
                words, side = seen[site, "probs"][0].mean(0)[:, columns].sum(1), 8 // site.scale
                grid = (words / words.mean()).reshape(1, 1, side, side)
                attention = attention + F.interpolate(grid, size=(8, 8), mode="bilinear")[0, 0]
    side = 8 // fine[0].scale
    seeds = scaled(attention) * (0.7 + 0.3 * scaled(difference))
    found = F.interpolate(seeds[None, None], size=(side, side), mode="area")
    spread = (alike / alike.sum(1, keepdim=True) @ found.flatten()).reshape(1, 1, side, side)
    return torch.where(scaled(attention) >= 0.35, 1.0, scaled(F.interpolate(spread, size=(8, 8), mode="bilinear")))


def test_the_map_is_that_of_plain_loops_and_of_each_picture_alone(tiny):
    x0 = clean(2)
    found = where_words_look(tiny, x0, TASK, [3, 4])
    assert found.shape == (2, 1, 8, 8) and found.min() == 0 and found.max() == 1
    for row, seed in enumerate((3, 4)):
        # summed in float32; a random network's maps are nearly even, and scaled up
        assert apart(found[row : row + 1], in_plain_loops(tiny, x0[row : row + 1], seed)) < 3e-3
    assert apart(found[:1], found[1:]) > 0.1


def test_of_whole_prompts_no_single_words_attention_has_a_say(tiny):
    x0, whole = clean(1), make_task("a photo of a cat", "a photo of a dog")
    assert whole.words is None
    found = where_words_look(tiny, x0, whole, [3])
    assert found.max() == 1 and apart(found, where_words_look(tiny, x0, TASK, [3])) > 0.01


def disc(side: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """A speckled orange disc before speckled blue, and where it is."""
    inside = cv2.circle(np.zeros((side, side), np.uint8), (side // 2, side // 2), side // 4, 1, -1) > 0
    speckles = np.random.default_rng(0).integers(-20, 20, (side, side, 3))
    colours = np.where(inside[..., None], (220, 140, 60), (60, 90, 190)) + speckles
    return colours.clip(0, 255).astype(np.uint8), inside


def test_a_vague_map_is_cut_out_along_the_pictures_edges():
    picture, inside = disc()
    vague = np.roll(cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 9), 6, axis=1)
    vague /= vague.max()
    assert overlap(vague >= INSIDE, inside) < 0.8 and overlap(cut_out(picture, vague), inside) > 0.97
    np.testing.assert_array_equal(cut_out(picture, vague), cut_out(picture, vague))


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return (one & other).sum() / (one | other).sum()


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_map_without_doubt_is_taken_as_it_is(value):
    picture, _ = disc()
    assert (cut_out(picture, np.full(picture.shape[:2], value, np.float32)) == bool(value)).all()
