"""Which pictures and edits run together: grouping alone, and through the Editor."""

from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from tests.runs import method
from zeroshift.batching import Asked, grouped, groups, look, run_group, sharing
from zeroshift.conditioning.direction import direction_of_words
from zeroshift.conditioning.task import make_task
from zeroshift.editor import Editor
from zeroshift.edits import EditSpec, spread
from zeroshift.image import Photo, frame
from zeroshift.inversion.ddim import DDIMInversion
from zeroshift.request import Request
from zeroshift.results import framed

FEW = {"steps": 2, "conditioning": {"words": "swap"}}


@pytest.fixture(scope="module")
def editor(tiny) -> Editor:
    return Editor(tiny, {})


def photo(width: int = 32, height: int = 32, seed: int = 0) -> Photo:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Photo.of(Image.fromarray(pixels))


def asked(tiny, *sizes: tuple[int, int], requests=None) -> list[Asked]:
    requests = requests or [Request(make_task("cat", "dog"), method())]
    frames = framed(tiny, [photo(*size) for size in sizes], "aspect")
    return [Asked(requests, k, frame) for k, frame in enumerate(frames)]


def test_pictures_of_one_framed_size_run_together_and_no_more_than_fit(tiny):
    square, wide = (32, 32), (64, 32)
    groups = list(grouped(asked(tiny, square, wide, square, square, wide, square), 2))
    assert [(group.members, group.seeds) for group in groups] == [([0, 2],) * 2, ([1, 4],) * 2, ([3, 5],) * 2]
    assert all(len({frame.pixels.size for frame in group.frames}) == 1 for group in groups)
    assert [group.members for group in grouped(asked(tiny, *[square] * 3), 16)] == [[0, 1, 2]]


def test_a_group_is_there_as_soon_as_it_is_full(tiny):
    taken = []

    def coming() -> Iterator[Asked]:
        for one in asked(tiny, *[(32, 32)] * 5):
            taken.append(one.seed)
            yield one

    groups = grouped(coming(), 2)
    assert (next(groups).members, taken) == ([0, 1], [0, 1])
    assert [group.members for group in groups] == [[2, 3], [4]]


def test_no_more_than_a_few_batches_wait_for_company(tiny):
    one = asked(tiny, (32, 32))[0]
    alone = [Asked([Request(make_task("cat", f"dog{k}"), method())], k, one.frame) for k in range(20)]
    taken = []

    def coming() -> Iterator[Asked]:
        for k, each in enumerate(alone):
            taken.append(k)
            yield each

    groups = grouped(coming(), 2)
    assert (next(groups).members, len(taken)) == ([0], 9)
    assert sorted(k for group in groups for k in group.members) == list(range(1, 20))


def test_edits_that_cannot_share_a_source_fall_into_groups():
    dog, fox = (Request(make_task("cat", target), method()) for target in ("dog", "fox"))
    other = Request(make_task("cat", "cow"), method(inversion=DDIMInversion()))
    elsewhere = Request(make_task("cat", "dog", "a cat on a sofa"), method())
    requests = [dog, other, elsewhere, fox]
    assert sharing(requests, photograph=True) == [(0, 3), (1,), (2,)]
    assert sharing(requests, photograph=False) == [(0, 1, 3), (2,)]  # nothing is inverted there


def test_one_edit_of_many_pictures_in_batches(editor):
    photos = [photo(seed=k) for k in range(3)]
    spec = EditSpec(target="dog", source="cat", options=FEW, seed=3)
    results = editor.edit(photos, spec, batch=2)
    assert [(r.recipe["rows"], r.recipe["row"], r.recipe["seed"]) for r in results] == [(2, 0, 3), (2, 1, 3), (1, 0, 3)]
    assert [r.recipe["source_sha256"] for r in results] == [p.sha256 for p in photos]
    words = editor.edit(photos, "cat", "dog", method=spec.resolve(editor).method, seed=3, batch=2)
    assert [r.image.tobytes() for r in words] == [r.image.tobytes() for r in results]
    with pytest.raises(ValueError, match="An EditSpec says all that is asked for"):
        editor.edit(photos, spec, "fox")


def test_strengths_and_targets_of_a_generated_source(editor):
    specs = spread(EditSpec(target="dog", source="cat", options=FEW), (0.5, 1.0))
    specs.append(EditSpec(target="dog", source="a cat on a sofa", options=FEW).model_copy(update={"target": "a dog"}))
    first, second = groups(editor, None, specs)
    assert (first.edits, second.edits, first.frames) == ((0, 1), (2,), [])
    *_, last = run_group(editor, first)
    strengths = [result.recipe["options"]["conditioning"]["strength"] for result in last.results[0]]
    assert strengths == [0.5, 1.0]


def test_a_direction_made_of_words_is_made_once_for_all_pictures(editor, tiny):
    spec = EditSpec(target="dog", source="cat", direction={"source_word": "cat", "target_word": "fox", "count": 4})
    (group,) = groups(editor, look(editor, [photo(seed=k) for k in range(3)]), [spec])
    assert group.members == [0, 1, 2]
    assert group.requests[0].task.direction.sha256 == direction_of_words(tiny, "cat", "fox", 4).sha256


def test_specs_of_different_seeds_are_refused(editor):
    specs = [EditSpec(target="dog", source="cat", seed=seed) for seed in (1, 2)]
    with pytest.raises(ValueError, match="share their noise"):
        list(groups(editor, look(editor, [photo()]), specs))


def test_files_are_decoded_as_they_are_needed_and_checked_before(editor, tmp_path):
    for k in range(3):
        photo(seed=k).image.save(tmp_path / f"{k}.png")
    names = [tmp_path / f"{k}.png" for k in range(3)]
    coming = groups(editor, look(editor, names), [EditSpec(target="dog", source="cat", options=FEW)], batch=1)
    assert next(coming).members == [0]
    names[1].unlink()
    with pytest.raises(ValueError, match="1.png does not exist"):
        next(coming)
    with pytest.raises(ValueError, match="1.png does not exist"):
        editor.edit(names, "cat", "dog", method=method())


def test_every_picture_is_framed_once(editor, monkeypatch):
    sizes = []
    monkeypatch.setattr(
        "zeroshift.results.frame", lambda image, *a, **k: sizes.append(image.size) or frame(image, *a, **k)
    )
    editor.edit([photo(40, 32, seed=k) for k in range(3)], "cat", "dog", method=method(), batch=2)
    assert sizes == [(40, 32)] * 3
