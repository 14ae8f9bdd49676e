"""Several pictures and several requests in one run are what they are alone: on pictures, in float32."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import zeroshift
from tests import runs
from tests.runs import TASK
from zeroshift.asked.request import Request
from zeroshift.conditioning.shift import EditDirection
from zeroshift.conditioning.task import make_task
from zeroshift.control.guidance import AttentionGuidance
from zeroshift.image import Photo
from zeroshift.inversion.ddim import DDIMInversion
from zeroshift.methods.pix2pix_zero import Pix2PixZero

STEPS = 2


def method(**options: object) -> Pix2PixZero:
    return runs.method(**{"steps": STEPS, **options})


def pictures(count: int) -> list[Photo]:
    """Return smooth pictures of 32 x 32 pixels."""
    y, x = np.mgrid[:32, :32] / 31
    made = []
    for k in range(count):
        planes = [np.sin((c + 2) * x + k) * np.cos((k + 1) * y - c) for c in range(3)]
        made.append(Photo.of(Image.fromarray(np.uint8(127.5 * (np.stack(planes, -1) + 1)))))
    return made


@pytest.fixture(scope="module")
def editor(checkpoint) -> zeroshift.Editor:
    return zeroshift.load(checkpoint, device="cpu", precision="fp32")


def grey_levels(a: Image.Image, b: Image.Image) -> int:
    return int(np.abs(np.asarray(a, dtype=int) - np.asarray(b, dtype=int)).max())


def test_batch_is_singles_to_one_grey_level(editor):
    sources = pictures(3)
    together = editor.edit(sources, "cat", "dog", method=method())
    for source, result in zip(sources, together, strict=True):
        alone = editor.edit(source, "cat", "dog", method=method())
        assert grey_levels(result.image, alone.image) <= 1 and grey_levels(result.native, alone.native) <= 1
    assert grey_levels(together[0].image, together[1].image) > 1


def test_every_picture_has_a_seed_of_its_own(editor):
    """The same picture four times under four seeds; each is the run of its seed, and says so."""
    source, seeds = pictures(1) * 4, [5, 6, 5, 2**62]
    together = editor.edit(source, "cat", "dog", method=method(), seeds=seeds)
    for seed, result in zip(seeds, together, strict=True):
        alone = editor.edit(source[0], "cat", "dog", method=method(), seed=seed)
        assert grey_levels(result.native, alone.native) <= 1
        assert result.recipe["seed"] == alone.recipe["seed"] == seed
    first, second, again, _ = (result.native for result in together)
    assert grey_levels(first, again) == 0 < grey_levels(first, second)


def test_seeds_are_those_of_their_pictures_where_sizes_differ(editor):
    small, wide, tall = pictures(3)
    sources = [small, of_size(wide, 64, 32), of_size(tall, 40, 40)]
    results = editor.edit(sources, "cat", "dog", method=method(), fit="aspect", seeds=[7, 8, 9])
    assert [result.recipe["seed"] for result in results] == [7, 8, 9]
    with pytest.raises(ValueError, match="There are 2 seeds for 3 pictures; give one seed for each"):
        editor.edit(sources, "cat", "dog", method=method(), seeds=[7, 8])


def of_size(source: Photo, width: int, height: int) -> Photo:
    return Photo.of(source.image.resize((width, height)))


def test_pictures_of_different_framed_sizes(editor):
    """Each framed size is a batch of its own; results come in the order of the pictures."""
    small, wide, tall = pictures(3)
    sources = [small, of_size(wide, 64, 32), of_size(tall, 40, 40)]
    results = editor.edit(sources, "cat", "dog", method=method(), fit="aspect")
    assert [result.image.size for result in results] == [(32, 32), (64, 32), (40, 40)]
    assert [(r.recipe["rows"], r.recipe["row"]) for r in results] == [(2, 0), (1, 0), (2, 1)]
    for source, result in zip(sources, results, strict=True):
        assert result.recipe["source_sha256"] == source.sha256
        alone = editor.edit(source, "cat", "dog", method=method(), fit="aspect")
        assert grey_levels(result.image, alone.image) <= 1
    with pytest.raises(ValueError, match="frame to different sizes; edit them in groups of one size"):
        list(editor.run(sources, [Request(TASK, method())], fit="aspect"))


def test_no_pictures_are_no_results(editor):
    assert editor.edit([], "cat", "dog", method=method()) == []


def test_several_requests_of_one_run_are_separate_runs(editor):
    """Strengths, targets and an unguided one; the shared source walk is the one each would have had."""
    unguided = method(control=AttentionGuidance(lambda_xa=0))
    strong = method(conditioning=EditDirection(sentences=20, strength=2.0))
    requests = [Request(TASK, unguided), Request(TASK, strong), Request(make_task("cat", "horse"), method())]
    *_, together = editor.run(pictures(2), requests, seed=1)
    for n, request in enumerate(requests):
        *_, alone = editor.run(pictures(2), [request], seed=1)
        for row in range(2):
            assert grey_levels(together.results[row][n].native, alone.results[row][0].native) == 0
            assert together.results[row][n].recipe == alone.results[row][0].recipe


@pytest.mark.parametrize(
    "other",
    [
        method(steps=STEPS + 1),
        method(inversion=DDIMInversion()),
        method(conditioning=EditDirection(sentences=20, negative="a drawing")),
    ],
)
def test_requests_that_cannot_share_a_source_are_refused(editor, other: Pix2PixZero):
    with pytest.raises(ValueError, match="Edits of one run share the work on the source"):
        list(editor.run(pictures(1), [Request(TASK, method()), Request(TASK, other)]))


def test_guidance_scale_of_requests_on_a_generated_source(editor):
    """There the source branch itself is guided, so it has to be the same; a photograph's source is not."""
    requests = [Request(TASK, method()), Request(TASK, replace(method(), guidance_scale=3.0))]
    with pytest.raises(ValueError, match="Edits of one run share the work on the source"):
        list(editor.run_generated(requests))
    *_, together = editor.run(pictures(1), requests)
    *_, alone = editor.run(pictures(1), requests[1:])
    assert grey_levels(together.results[0][1].native, alone.results[0][0].native) == 0


def test_generated_source(editor):
    *_, done = editor.run_generated(
        [Request(TASK, method(conditioning=EditDirection(sentences=20, strength=0.0)))], seed=2
    )
    (result,) = done.results[0]
    assert grey_levels(result.image, result.reconstruction) <= 1
    assert grey_levels(result.reconstruction, editor.generate(TASK.source_prompt, seed=2, steps=STEPS)) <= 1


def test_generated_sources_of_several_seeds(editor):
    *_, done = editor.run_generated([Request(TASK, method())], seeds=[2, 3])
    for seed, (result,) in zip((2, 3), done.results, strict=True):
        *_, alone = editor.run_generated([Request(TASK, method())], seed=seed)
        assert grey_levels(result.image, alone.results[0][0].image) <= 1
        assert result.recipe == {**alone.results[0][0].recipe, "rows": 2, "row": seed - 2}
