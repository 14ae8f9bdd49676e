"""Which pictures and edits run together: grouping alone, and through the Editor."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from PIL import Image

from tests.runs import method
from zeroshift.asked.edits import EditSpec
from zeroshift.asked.request import Request
from zeroshift.asked.together import spread
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.conditioning.direction import direction_of_words
from zeroshift.conditioning.task import make_task
from zeroshift.doubts import Doubt
from zeroshift.editor import Editor
from zeroshift.framed import framed
from zeroshift.image import ImageError, Photo, frame
from zeroshift.inversion.ddim import DDIMInversion
from zeroshift.inversions import InversionMemory
from zeroshift.memory.room import Room
from zeroshift.running.batching import groups
from zeroshift.running.grouping import Asked, grouped, sharing
from zeroshift.running.groups import run_group, run_groups
from zeroshift.running.looking import look

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
    return [Asked(k, range(len(requests)), requests, [k] * len(requests), frame) for k, frame in enumerate(frames)]


def test_pictures_of_one_framed_size_run_together_and_no_more_than_fit(tiny):
    square, wide = (32, 32), (64, 32)
    groups = list(grouped(asked(tiny, square, wide, square, square, wide, square), Room(2)))
    assert [(group.members, group.seeds) for group in groups] == [([0, 2],) * 2, ([1, 4],) * 2, ([3, 5],) * 2]
    assert all(len({frame.pixels.size for frame in group.frames}) == 1 for group in groups)
    assert [group.members for group in grouped(asked(tiny, *[square] * 3), Room(16))] == [[0, 1, 2]]


def test_a_group_is_there_as_soon_as_it_is_full(tiny):
    taken = []

    def coming() -> Iterator[Asked]:
        for one in asked(tiny, *[(32, 32)] * 5):
            taken.append(one.place)
            yield one

    groups = grouped(coming(), Room(2))
    assert (next(groups).members, taken) == ([0, 1], [0, 1])
    assert [group.members for group in groups] == [[2, 3], [4]]


def test_no_more_than_a_few_batches_wait_for_company(tiny):
    one = asked(tiny, (32, 32))[0]
    alone = [Asked(k, [0], [Request(make_task("cat", f"dog{k}"), method())], [k], one.frame) for k in range(20)]
    taken = []

    def coming() -> Iterator[Asked]:
        for k, each in enumerate(alone):
            taken.append(k)
            yield each

    groups = grouped(coming(), Room(2))
    assert (next(groups).members, len(taken)) == ([0], 9)
    assert sorted(k for group in groups for k in group.members) == list(range(1, 20))


def test_edits_that_cannot_share_a_source_fall_into_groups():
    dog, fox = (Request(make_task("cat", target), method()) for target in ("dog", "fox"))
    other = Request(make_task("cat", "cow"), method(inversion=DDIMInversion()))
    elsewhere = Request(make_task("cat", "dog", "a cat on a sofa"), method())
    requests = [dog, other, elsewhere, fox]
    assert sharing(requests, [0] * 4, photograph=True) == [(0, 3), (1,), (2,)]
    assert sharing(requests, [0] * 4, photograph=False) == [(0, 1, 3), (2,)]  # nothing is inverted there
    assert sharing(requests, [0, 0, 0, 7], photograph=False) == [(0, 1), (2,), (3,)]


def test_one_edit_of_many_pictures_in_batches(editor):
    photos = [photo(seed=k) for k in range(3)]
    spec = EditSpec(target="dog", source="cat", method="pix2pix-zero", options=FEW, seed=3)
    results = editor.edit(photos, spec, batch=2)
    assert [(r.recipe["rows"], r.recipe["row"], r.recipe["seed"]) for r in results] == [(2, 0, 3), (2, 1, 3), (1, 0, 3)]
    assert [r.recipe["source_sha256"] for r in results] == [p.sha256 for p in photos]
    words = editor.edit(photos, "cat", "dog", method=spec.resolve(editor).method, seed=3, batch=2)
    assert [r.image.tobytes() for r in words] == [r.image.tobytes() for r in results]
    with pytest.raises(ValueError, match="An EditSpec says all that is asked for"):
        editor.edit(photos, spec, "fox")


def test_strengths_and_targets_of_a_generated_source(editor):
    specs = spread(EditSpec(target="dog", source="cat", method="pix2pix-zero", options=FEW), (0.5, 1.0))
    specs.append(
        EditSpec(target="dog", source="a cat on a sofa", method="pix2pix-zero", options=FEW).model_copy(
            update={"target": "a dog"}
        )
    )
    first, second = groups(editor, None, specs)
    assert (first.edits, second.edits, first.frames) == ((0, 1), (2,), [])
    *_, last = run_group(editor, first)
    strengths = [result.recipe["options"]["conditioning"]["strength"] for result in last.results[0]]
    assert strengths == [0.5, 1.0]


def test_a_direction_made_of_words_is_made_once_for_all_pictures(editor, tiny):
    spec = EditSpec(
        target="dog",
        source="cat",
        method="pix2pix-zero",
        direction={"source_word": "cat", "target_word": "fox", "count": 4},
    )
    (group,) = groups(editor, look(editor, [photo(seed=k) for k in range(3)]), [spec])
    assert group.members == [0, 1, 2]
    assert group.requests[0].task.direction.sha256 == direction_of_words(tiny, "cat", "fox", 4).sha256


def test_several_targets_of_a_picture_and_of_a_list(editor):
    photos, chosen = [photo(seed=k) for k in range(2)], method(inversion=DDIMInversion())
    kept = InversionMemory()
    table = editor.edit(photos, "cat", target=["dog", "fox"], method=chosen, inversions=kept)
    assert [[result.recipe["target"] for result in row] for row in table] == [["dog", "fox"]] * 2 and len(kept) == 1
    dogs = editor.edit(photos, "cat", "dog", method=chosen)
    assert [row[0].image.tobytes() for row in table] == [dog.image.tobytes() for dog in dogs]
    one = editor.edit(photos[0], "cat", target=("dog", "fox"), method=chosen)
    assert [result.recipe["target"] for result in one] == ["dog", "fox"]
    with pytest.raises(ValueError, match="at least one target"):
        editor.edit(photos[0], "cat", target=[])
    along = direction_of_words(editor.backbone, "cat", "dog", 2)
    with pytest.raises(ValueError, match="leads to one target, and these are 2"):
        editor.edit(photos[0], "cat", target=["dog", "fox"], method="pix2pix-zero", direction=along)


def test_a_stream_has_every_step_once(editor):
    steps = list(editor.stream(photo(), "cat", "dog", method=method()))
    inverted = [step for step in steps if step.stage == "invert"]
    for stage in (inverted, steps[len(inverted) :]):
        assert [step.done for step in stage] == list(range(1, stage[0].total + 1))
    assert inverted[-1].trajectory is not None
    assert [bool(step.results) for step in steps] == [False] * (len(steps) - 1) + [True]
    assert len(editor.preview(steps[-1])) == 1


def test_edits_of_several_seeds_are_what_each_gives_alone_on_one_inversion(editor):
    options = {**FEW, "inversion": {"kind": "ddim"}}
    specs = [EditSpec(target="dog", source="cat", method="pix2pix-zero", options=options, seed=seed) for seed in (1, 2)]
    kept, photos = InversionMemory(), [photo(seed=k) for k in range(2)]
    with pytest.warns(Doubt, match="the same with every seed"):
        steps = list(run_groups(editor, groups(editor, look(editor, photos), specs), inversions=kept))
    assert [step.stage for _, step in steps].count("invert") == 2
    made = {group.edits: [row[0] for row in step.results] for group, step in steps if step.results}
    assert list(made) == [(0,), (1,)]
    assert [result.recipe["seed"] for result in made[1,]] == [2, 2]
    alone = editor.edit(photos, specs[1])
    assert [result.image.tobytes() for result in alone] == [result.image.tobytes() for result in made[1,]]


def test_a_picture_that_cannot_be_read_loses_no_other(editor, tmp_path):
    photo().image.save(tmp_path / "good.png")
    whole = (tmp_path / "good.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    pictures = [tmp_path / "none.png", whole, tmp_path / "cut.png", photo(64, 32), whole, b"no picture"]
    failed: dict[int, Exception] = {}
    frames = look(editor, pictures, failed=failed)
    spec = EditSpec(target="dog", source="cat", method="pix2pix-zero", options=FEW)
    wanted = groups(editor, frames, [spec], failed=failed)
    ran = [group.members for group, step in run_groups(editor, wanted, failed=failed) if step.results]
    assert ran == [[1, 3, 4]]
    assert sorted(failed) == [0, 2, 5]
    assert [type(error) for error in failed.values()] == [ImageError] * 3
    assert "none.png does not exist" in str(failed[0])


def test_seeds_stay_with_their_pictures_where_some_fail(editor):
    failed: dict[int, Exception] = {}
    spec = EditSpec(target="dog", source="cat", method="pix2pix-zero", options=FEW)
    frames = look(editor, [b"", photo(), b"", photo(seed=1)], failed=failed)
    (group,) = groups(editor, frames, [spec], seeds=[10, 11, 12, 13], failed=failed)
    assert (group.members, group.seeds) == ([1, 3], [11, 13])


def test_a_picture_of_which_the_edit_makes_no_sense_loses_no_other(tiny):
    class Says:
        def captions(self, pictures):
            return [f"a photo of a {'cat' if picture.getbbox() else 'dog'}" for picture in pictures]

    editor, failed = Editor(tiny, {}, Says()), dict[int, Exception]()
    black = Photo.of(Image.new("RGB", (32, 32)))
    frames = look(editor, [photo(), black, photo(seed=1)], caption=True, failed=failed)
    (group,) = groups(editor, frames, [EditSpec(target="dog", method="pix2pix-zero", options=FEW)], failed=failed)
    assert (group.members, list(failed)) == ([0, 2], [1])


def test_a_row_that_fails_does_not_lose_its_batch(editor, monkeypatch):
    """A network whose numbers overflow on one picture: the others are what they are without it."""
    encode = StableDiffusion.encode

    def overflowing(self, pictures):
        black = (pictures == -1).flatten(1).all(dim=1)
        return torch.where(black[:, None, None, None], torch.inf, encode(self, pictures))

    monkeypatch.setattr(StableDiffusion, "encode", overflowing)
    spec, black = (
        EditSpec(target="dog", source="cat", method="pix2pix-zero", options=FEW),
        Photo.of(Image.new("RGB", (32, 32))),
    )
    failed: dict[int, Exception] = {}
    wanted = groups(editor, look(editor, [photo(), black, photo(seed=1)]), [spec])
    ran = [(group, step) for group, step in run_groups(editor, wanted, failed=failed) if step.results]
    results = {group.members[0]: step.results[0][0] for group, step in ran}
    assert (sorted(results), list(failed)) == ([0, 2], [1])
    assert "not numbers" in str(failed[1])
    assert results[2].image.tobytes() == editor.edit(photo(seed=1), spec).image.tobytes()
    with pytest.raises(ValueError, match="not numbers"):
        editor.edit([photo(), black], spec)


def test_files_are_decoded_as_they_are_needed_and_checked_before(editor, tmp_path):
    for k in range(3):
        photo(seed=k).image.save(tmp_path / f"{k}.png")
    names = [tmp_path / f"{k}.png" for k in range(3)]
    coming = groups(
        editor, look(editor, names), [EditSpec(target="dog", source="cat", method="pix2pix-zero", options=FEW)], batch=1
    )
    assert next(coming).members == [0]
    names[1].unlink()
    with pytest.raises(ValueError, match="1.png does not exist"):
        next(coming)
    with pytest.raises(ValueError, match="1.png does not exist"):
        editor.edit(names, "cat", "dog", method=method())


def test_every_picture_is_framed_once(editor, monkeypatch):
    sizes = []
    monkeypatch.setattr(
        "zeroshift.framed.frame", lambda image, *a, **k: sizes.append(image.size) or frame(image, *a, **k)
    )
    editor.edit([photo(40, 32, seed=k) for k in range(3)], "cat", "dog", method=method(), batch=2)
    assert sizes == [(40, 32)] * 3
