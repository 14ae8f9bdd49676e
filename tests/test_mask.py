"""Masks of edits: outside nothing changes, whatever the method; inside and in the loop, what they stand for."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from benchmarks.drifting import photograph
from PIL import Image

import zeroshift
from tests.runs import apart, clean, inverted, last, plan
from zeroshift import EditSpec, OptionError
from zeroshift.asked.data import GivenMask
from zeroshift.conditioning.task import make_task
from zeroshift.control.base import Stack
from zeroshift.control.mask_blend import MaskBlend, photograph_after
from zeroshift.diffusion.schedule import join
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.framed import framed
from zeroshift.image import Photo
from zeroshift.masks.locating import where_words_look
from zeroshift.masks.masking import cut, in_photograph, latent_mask, masked, places_of, width_of
from zeroshift.methods import METHODS
from zeroshift.presets import build_method
from zeroshift.recipe import parse_recipe
from zeroshift.redo import replay
from zeroshift.results import Place, whole

PHOTOGRAPH = photograph()[:120, 100:240]
MASK = np.zeros(PHOTOGRAPH.shape[:2], np.uint8)
MASK[30:90, 40:110] = 255
TRANSPARENT = np.dstack([PHOTOGRAPH, 255 - MASK])
FEW = {"style-diffusion": {"inversion": {"inner_steps": 1}}}


@pytest.fixture(scope="module")
def editor(checkpoint) -> zeroshift.Editor:
    return zeroshift.load(checkpoint, device="cpu", precision="fp32")


def few(name: str) -> zeroshift.Method:
    return build_method(name, {"steps": 2}, FEW.get(name, {}))


@pytest.mark.parametrize("name", [method.name for method in METHODS])
def test_no_method_ignores_a_mask(editor, name):
    result = editor.edit(PHOTOGRAPH, "cat", "dog", method=few(name), mask=MASK, fit="stretch")
    image = np.asarray(result.image)
    np.testing.assert_array_equal(image[MASK == 0], PHOTOGRAPH[MASK == 0])
    assert (image[45:75, 55:95] != PHOTOGRAPH[45:75, 55:95]).any(2).mean() > 0.9
    np.testing.assert_array_equal(np.asarray(result.mask), MASK)
    assert (result.drift.outside.changed, result.drift.outside.largest, result.drift.outside.psnr) == (0, 0, None)
    assert result.drift.inside.changed > 0.5


def test_the_photographs_own_transparent_part_is_edited_and_shown(editor):
    spec = EditSpec(target="dog", source="cat", method="ddim", options={"steps": 2}, mask="alpha", fit="stretch")
    own = editor.edit(TRANSPARENT, spec)
    given = editor.edit(PHOTOGRAPH, "cat", "dog", method=few("ddim"), mask=MASK, fit="stretch")
    assert own.image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(own.image), np.asarray(given.image))
    assert own.recipe["mask"] == "alpha" and "mask_sha256" not in own.recipe


def test_an_edit_of_what_is_transparent_is_seen(editor):
    """OpenAI's convention: a hole in the photograph, and the same hole as its mask. What is seen keeps its alpha."""
    clear = np.dstack([PHOTOGRAPH, np.where(MASK, 0, 200).astype(np.uint8)])
    own, given = (
        editor.edit(clear, "cat", "dog", method=few("sdedit"), mask=mask, fit="stretch") for mask in ("alpha", clear)
    )
    for result in (own, given):
        assert result.image.mode == "RGBA"
        np.testing.assert_array_equal(np.asarray(result.image)[..., 3], np.where(MASK, 255, 200))
    np.testing.assert_array_equal(np.asarray(given.image), np.asarray(own.image))
    wider = np.full_like(MASK, 255)
    kept = editor.edit(clear, "cat", "dog", method=few("sdedit"), mask=wider, fit="stretch")
    np.testing.assert_array_equal(np.asarray(kept.image)[..., 3], clear[..., 3])


@pytest.mark.parametrize("soft", [0, 4])
def test_of_two_holes_the_one_that_is_masked_is_edited_and_the_other_stays(editor, soft):
    """Where the mask ends inside of a hole the edit fades in out of nothing, and what was half transparent is it."""
    alpha = np.where(MASK, 0, 255).astype(np.uint8)
    alpha[100:110, 5:35], alpha[5:10, 5:35] = 0, 100
    clear, left = np.dstack([PHOTOGRAPH, alpha]), MASK.copy()
    left[:, 75:] = 0
    for mask, edited in ((MASK, MASK > 0), (left, left > 0)):
        result = editor.edit(clear, "cat", "dog", method=few("sdedit"), mask=mask, soft=soft, fit="stretch")
        image = np.asarray(result.image)
        np.testing.assert_array_equal(image[~edited], clear[~edited])
        columns = image[45:75, :, 3]
        assert (columns[:, 40:70] == 255).all()
        if soft and mask is left:  # the border at 75 fades, the others lie beside what is seen
            assert (np.diff(columns[:, 70:76].astype(int)) < 0).any() and columns[0, 74] < 64
        else:
            assert (image[..., 3][edited] == 255).all()


def test_a_mask_of_everything_changes_no_bit_of_the_models_picture(editor):
    everything = np.full_like(MASK, 255)
    with_mask, without = (
        editor.edit(PHOTOGRAPH, "cat", "dog", method=few("ddim"), mask=mask, fit="stretch")
        for mask in (everything, "none")
    )
    np.testing.assert_array_equal(np.asarray(with_mask.native), np.asarray(without.native))
    np.testing.assert_array_equal(np.asarray(with_mask.image), np.asarray(without.image))


def test_another_content_around_a_mask_does_not_colour_its_middle(editor):
    """As without a mask. Where the result was looked at, it is known what the border says nothing of."""
    lawn, brown = Photo.of(Image.new("RGB", (200, 160), (0, 255, 0))), (112, 83, 73)
    (frame,) = framed(editor.backbone, [lawn], "stretch")
    mask = np.zeros((160, 200), np.bool_)
    mask[20:140, 30:170] = True
    native = Image.new("RGB", frame.pixels.size, brown)
    for place in (Place(mask, 2, shows=False), Place(mask, 2, shows=False, shown=mask)):
        image = np.asarray(whole(native, frame, place, None)[0])
        assert (image[70:90, 80:120] == brown).all() and (image[~mask] == (0, 255, 0)).all()
    tinted = Image.new("RGB", frame.pixels.size, (8, 247, 8))  # a tint is of the middle, too
    image = np.asarray(whole(tinted, frame, Place(mask, 2, shows=False), None)[0])
    assert (image == (0, 255, 0)).all()


def test_soft_is_how_far_it_fades_in(editor):
    edges = []
    for soft in (0, 20):
        result = editor.edit(PHOTOGRAPH, "cat", "dog", method=few("sdedit"), mask=MASK, soft=soft, fit="stretch")
        difference = np.abs(np.asarray(result.image).astype(int) - PHOTOGRAPH).sum(2)
        edges.append(difference[30:33, 40:110].mean())
        assert result.recipe["soft"] == soft
    assert edges[1] < 0.3 * edges[0]


def test_latents_change_where_any_of_their_pixels_may(tiny):
    mask = np.zeros((64, 64), np.uint8)
    mask[0, 0], mask[40:, 40:] = 255, 255
    photo = Photo.of(np.zeros((64, 64, 3), np.uint8))
    (frame,) = masked(framed(tiny, [photo], "stretch"), Photo.of(mask))
    side, cell = tiny.size // tiny.factor, 64 // (tiny.size // tiny.factor)
    wanted = np.zeros((side, side), bool)
    wanted[40 // cell :, 40 // cell :] = True
    places = places_of([frame], None, None)
    found = latent_mask([frame], places, tiny.factor)
    assert found.shape == (1, 1, side, side)
    np.testing.assert_array_equal(found[0, 0, 1:, 1:], wanted[1:, 1:])
    assert latent_mask([frame], [None], tiny.factor) is None


@pytest.mark.parametrize("stored", [True, False])
def test_outside_the_latents_are_the_inverted_photographs(tiny, stored):
    """All that were kept; or the clean one under the noise that sampling starts with."""
    schedule, draw = tiny.schedule(4), torch.Generator().manual_seed(0)
    latents = tuple(torch.randn(1, 4, 8, 8, generator=draw, dtype=torch.float64) for _ in range(5))
    x0, eps = latents[-1], torch.randn(1, 4, 8, 8, generator=draw, dtype=torch.float64)
    begun = join(x0, eps, schedule.level(1))
    trajectory = Trajectory(schedule, latents) if stored else Trajectory(schedule, (begun,), first=1)
    for i in trajectory.steps:
        wanted = latents[i + 1] if stored else join(x0, eps, schedule.reached(i))
        torch.testing.assert_close(photograph_after(trajectory, x0, i), wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["ddim", "sdedit"])
def test_the_last_latent_is_the_photographs_outside_and_the_edits_inside(tiny, name):
    chosen, x0 = few(name), clean(2)
    trajectory = inverted(tiny, chosen, x0)
    branch = plan(tiny, chosen, trajectory).branch
    mask = torch.zeros(2, 1, 8, 8, dtype=torch.bool)
    mask[0, :, 2:5, 2:5], mask[1] = True, True
    blended = replace(branch, control=Stack([branch.control, MaskBlend(mask, x0)]))
    free, kept = (last(tiny, trajectory, [one]).targets[0] for one in (branch, blended))
    outside = ~mask.expand_as(x0)
    ended = photograph_after(trajectory, x0, trajectory.steps[-1])
    assert apart(kept[outside], ended[outside]) == 0
    assert apart(kept[:1][mask[:1].expand(1, 4, 8, 8)], x0[:1][mask[:1].expand(1, 4, 8, 8)]) > 0.01
    torch.testing.assert_close(kept[1], free[1], rtol=0, atol=1e-10)


def test_pictures_of_a_batch_have_their_own_masks(editor):
    other = np.zeros_like(MASK)
    other[60:, :70] = 255
    pictures = [TRANSPARENT, np.dstack([PHOTOGRAPH, 255 - other])]
    results = editor.edit(pictures, "cat", "dog", method=few("ddim"), mask="alpha", fit="stretch")
    for result, mask in zip(results, (MASK, other), strict=True):
        np.testing.assert_array_equal(np.asarray(result.image)[mask == 0], PHOTOGRAPH[mask == 0])
        np.testing.assert_array_equal(np.asarray(result.mask), mask)


def test_a_spec_with_a_mask_is_data_and_takes_its_picture_beside_it(editor):
    picture = Photo.of(MASK)
    options = {"steps": 2}
    spec = EditSpec(target="dog", source="cat", method="ddim", options=options, mask=GivenMask(sha256=picture.sha256))
    assert EditSpec.parse(spec.model_dump_json()) == spec
    np.testing.assert_array_equal(np.asarray(editor.edit(PHOTOGRAPH, spec, mask=picture).mask) > 0, MASK > 0)
    with pytest.raises(OptionError, match="is not there; pass it beside") as error:
        editor.edit(PHOTOGRAPH, spec)
    assert error.value.pointer == "/mask"


@pytest.mark.parametrize(
    "given, words",
    [
        ({"mask": np.full((40, 40), 255, np.uint8)}, "The mask is 40x40 px and the picture 140x120 px"),
        ({"mask": np.zeros_like(MASK)}, "allows no pixel"),
        ({"mask": "alpha"}, "has no alpha"),
        ({"soft": 3}, "`soft` is how far an edit fades into a `mask`, and there is none"),
        ({"mask": MASK, "region": "0,0,20,20"}, "The mask lies outside of the part that is edited"),
    ],
)
def test_what_makes_no_sense_is_refused(editor, given, words):
    with pytest.raises(ValueError, match=words):
        editor.edit(PHOTOGRAPH, "cat", "dog", method=few("ddim"), **given)


def test_without_a_photograph_there_is_nothing_to_mask():
    with pytest.raises(OptionError, match="`mask` says where a photograph changes"):
        EditSpec(target="dog", source="cat", mask="alpha").check(photograph=False)


def test_an_edit_without_a_mask_drifts_in_the_part_that_the_model_saw(editor):
    result = editor.edit(PHOTOGRAPH, "cat", "dog", method=few("ddim"), region="20,20,80,80")
    assert result.drift.inside.share == pytest.approx(80 * 80 / MASK.size)
    assert result.drift.outside.changed == 0


def test_of_a_generated_edit_the_drift_is_from_its_source(editor):
    request = EditSpec(target="dog", source="cat", method="ddim", options={"steps": 2}).resolve(editor)
    *_, last = editor.run_generated([request])
    (result,) = last.results[0]
    assert result.before is result.reconstruction and result.drift.outside is None
    with pytest.raises(ValueError, match="was generated"):
        zeroshift.Result(Image.new("RGB", (32, 32)), Image.new("RGB", (32, 32)), None, {}).drift  # noqa: B018


def test_a_grown_mask_is_where_either_looks_and_does_not_bind_the_edit(editor):
    asked = {"method": few("ddim"), "fit": "stretch"}
    free, bound = (editor.edit(PHOTOGRAPH, "cat", "dog", mask=mask, **asked) for mask in ("none", "auto"))
    *_, step = editor.stream(PHOTOGRAPH, "cat", "dog", mask="grown", **asked)
    (found,) = step.results[0]
    np.testing.assert_array_equal(np.asarray(found.native), np.asarray(free.native))
    (frame,) = framed(editor.backbone, [Photo.of(PHOTOGRAPH)], "stretch")
    sure = where_words_look(editor.backbone, step.latents, make_task("dog", "cat"), [0])
    shown = in_photograph(frame.framing, cut(replace(frame, pixels=found.native), sure), width_of(frame.framing, None))
    where = np.asarray(found.mask) > 0
    np.testing.assert_array_equal(where, shown | (np.asarray(bound.mask) > 0))
    np.testing.assert_array_equal(np.asarray(found.image)[~where], PHOTOGRAPH[~where])
    *_, again = replay(editor, parse_recipe(found.recipe), Photo.of(PHOTOGRAPH))
    np.testing.assert_array_equal(np.asarray(again.results[0][0].image), np.asarray(found.image))


@pytest.mark.parametrize("name", ["ddim", "sdedit", "prompt-to-prompt"])
def test_where_no_word_looks_nothing_changes(editor, name):
    result = editor.edit(PHOTOGRAPH, "cat", "dog", method=few(name), mask="auto", fit="stretch")
    where = np.asarray(result.mask) > 0
    assert result.recipe["mask"] == "auto" and where.any()
    np.testing.assert_array_equal(np.asarray(result.image)[~where], PHOTOGRAPH[~where])


def test_a_photograph_is_encoded_once_whatever_asks_for_its_latents(tiny, monkeypatch):
    """The mask, the inversion, the blend of each edit, and the detail."""
    seen, encode = [], type(tiny).encode
    monkeypatch.setattr(
        type(tiny), "encode", lambda self, pictures: seen.append(len(pictures)) or encode(self, pictures)
    )
    asked = {"method": few("pix2pix-zero"), "mask": "auto", "fit": "stretch", "detail": 0.5}
    zeroshift.Editor(tiny, {}).edit(PHOTOGRAPH, "cat", target=["dog", "fox"], **asked)
    assert seen == [1]


def test_where_a_subject_was_is_what_a_segmenter_says_alone(tiny):
    """Words look at what is alike, and know nothing of where the subject is not."""
    (frame,) = framed(tiny, [Photo.of(Image.new("RGB", (64, 64)))], "stretch")
    sure = torch.zeros(1, 1, 64, 64)
    sure[..., 16:48, 16:48] = 1
    for told in (True, False):
        (place,) = places_of([frame], 4, sure, told)
        assert place.mask[14:50, 14:50].all() and (place.before is not None) == told
    (place,) = places_of([frame], 4, sure, True)
    assert place.before[20:44, 20:44].all() and not place.before[:12].any() and not place.before[52:].any()
