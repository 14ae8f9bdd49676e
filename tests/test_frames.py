"""Which part of a picture is edited where nobody says so: found, whole, or the middle."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.shell import call, photograph
from zeroshift.asked.data import GivenMask
from zeroshift.asked.edits import EditSpec
from zeroshift.backbones.checkpoint import SHIPPED
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.doubts import Doubt
from zeroshift.editor import Editor
from zeroshift.frames import found, nearer, overlap, square
from zeroshift.image import ImageError, Photo
from zeroshift.image.framing import Box, Within, middle
from zeroshift.image.recipe import read_recipe
from zeroshift.inversions import InversionMemory
from zeroshift.loading import own_captioner
from zeroshift.methods import SDEdit
from zeroshift.miniature.classifier import build_classifier, save_classifier
from zeroshift.miniature.finder import Finder, save_finder
from zeroshift.miniature.finder_network import FinderNetwork
from zeroshift.miniature.reading import changes_all, within
from zeroshift.options.errors import OptionError
from zeroshift.recipe import parse_recipe
from zeroshift.redo import replay, result_of
from zeroshift.running.looking import framed_alike, look, look_at

SPEC = EditSpec(target="helicopter", source="dog", method="sdedit", options={"steps": 2})
WORDS = own_captioner(SHIPPED)
"""what knows styles from animals; nothing here asks it to look at a picture"""


@dataclass(frozen=True)
class At:
    """Finds the same box in every picture."""

    box: Box | None
    subject: str = "head"

    def find(self, picture: Image.Image) -> Box | None:
        return self.box


def photo(width: int, height: int) -> Photo:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Photo.of(Image.fromarray(pixels))


def editor_of(tiny, box: Box | None) -> Editor:
    return Editor(tiny, {}, captioner=WORDS, finder=At(box))


def test_the_part_around_the_subject_is_edited_and_its_recipe_finds_nothing_anew(tiny):
    taken = photo(120, 80)
    result = editor_of(tiny, (60, 10, 108, 58)).edit(taken, SPEC)
    before, after = (np.asarray(picture).astype(int) for picture in (taken.image, result.image))
    rows, columns = np.nonzero((before != after).any(2))
    assert 60 <= columns.min() and columns.max() < 108 and 10 <= rows.min() and rows.max() < 58
    assert result.part == "the head at 60,10,48,48"
    assert result.recipe["region"] == [60, 10, 108, 58]
    recipe = parse_recipe(result.recipe)
    *_, last = replay(editor_of(tiny, (0, 0, 32, 32)), recipe, taken)
    assert result_of(recipe, last).image.tobytes() == result.image.tobytes()


@pytest.mark.parametrize(
    ("box", "asked", "said"),
    [
        (None, {}, "the middle, 20,0,80,80, since no head was found; `region` says where it is"),
        ((22, 0, 98, 76), {}, "the middle, where the head is"),
        ((60, 10, 108, 58), {"region": "none"}, None),
        ((60, 10, 108, 58), {"fit": "crop"}, None),
    ],
)
def test_the_middle_is_edited_as_without_a_finder(tiny, box: Box | None, asked: dict[str, str], said: str | None):
    (frame,) = look_at(editor_of(tiny, box), [photo(120, 80)], SPEC.model_copy(update=asked))
    (plain,) = look_at(Editor(tiny, {}), [photo(120, 80)], SPEC)
    assert (frame.framing, frame.fit, frame.region, frame.part) == (plain.framing, plain.fit, None, said)
    assert frame.pixels.tobytes() == plain.pixels.tobytes()


def test_a_square_of_the_models_size_is_taken_as_it_is(tiny):
    (frame,) = look(editor_of(tiny, (0, 0, 20, 20)), [photo(40, 40)])
    assert (frame.region, frame.part) == (None, None)
    (frame,) = look(editor_of(tiny, (0, 0, 20, 20)), [photo(41, 41)])
    assert frame.region == (0, 0, 20, 20)


@dataclass(frozen=True)
class AtAll(At):
    """A finder of another head, too."""

    def every(self, picture: Image.Image) -> list[Box]:
        return [self.box, (0, 0, 40, 40)]


def test_what_is_left_of_several_subjects_is_told(tiny):
    editor = Editor(tiny, {}, captioner=WORDS, finder=AtAll((60, 10, 108, 58)))
    (frame,) = look_at(editor, [photo(120, 80)], SPEC)
    assert frame.part == "the head at 60,10,48,48, and leaves another one at 0,0,40,40"


def test_edits_of_the_whole_picture_take_all_of_it(tiny):
    editor = editor_of(tiny, (60, 10, 108, 58))
    (frame,) = look_at(editor, [photo(120, 80)], SPEC.model_copy(update={"target": "sketch"}))
    assert (frame.fit, frame.framing.box, frame.part) == ("aspect", (0, 0, 120, 80), "the whole picture")
    assert (frame.size, frame.pixels.size) == (64, (80, 48))  # about twice the model's 32 x 32
    assert frame.about(Image.new("L", (240, 160))).size == (96, 96)  # where the subject is, at another scale
    (frame,) = look_at(editor, [photo(120, 80)], SPEC.model_copy(update={"target": "sketch", "region": "auto"}))
    assert frame.region == (60, 10, 108, 58)
    specs = [SPEC.model_copy(update={"target": target}) for target in ("tiger", "sketch", "tabby cat", "night")]
    assert framed_alike(editor, specs) == [(0,), (1, 3), (2,)]  # a tiger is seen from nearer than a cat
    assert framed_alike(Editor(tiny, {}, captioner=WORDS), specs) == [(0, 1, 2, 3)]


@pytest.mark.parametrize(
    ("asked", "masked"),
    [
        ({}, "grown"),
        ({"region": "auto", "target": "sketch"}, "grown"),
        ({"mask": "none"}, None),
        ({"fit": "crop"}, None),
        ({"region": "none"}, None),
        ({"region": "10%,10%,80%,80%"}, None),
        ({"target": "sketch"}, None),
        ({"fit": "crop", "mask": "auto"}, "auto"),
    ],
)
def test_words_say_where_it_may_change_where_the_model_finds_the_part(tiny, asked: dict[str, str], masked: str | None):
    editor = editor_of(tiny, (60, 10, 108, 58))
    result = editor.edit(photo(120, 80), SPEC.model_copy(update=asked))
    assert result.recipe.get("mask") == masked
    if not masked:
        with pytest.raises(OptionError, match="`soft` is how far"):
            editor.edit(photo(120, 80), SPEC.model_copy(update={**asked, "soft": 2}))


@pytest.mark.parametrize(
    ("size", "asked", "framed"),
    [
        ((120, 80), {"target": "sketch", "size": 96}, (96, (112, 80))),
        ((120, 80), {"target": "sketch", "size": 32}, (None, (32, 32))),
        ((60, 50), {"target": "sketch"}, (48, (48, 48))),  # no more pixels than there are
        ((36, 36), {"target": "sketch"}, (None, (32, 32))),
        ((120, 80), {"size": 64}, (64, (64, 64))),
    ],
)
def test_frames_have_the_pixels_of_a_square_of_the_size_that_suits_or_is_asked_for(tiny, size, asked, framed):
    (frame,) = look_at(editor_of(tiny, (60, 10, 108, 58)), [photo(*size)], SPEC.model_copy(update=asked))
    assert (frame.size, frame.pixels.size) == framed


def test_a_size_is_in_the_recipe_and_in_what_an_inversion_is_of(tiny):
    taken, editor, kept = photo(120, 80), editor_of(tiny, None), InversionMemory()
    result, small = (
        editor.edit(taken, SPEC.model_copy(update={"target": "sketch", "size": size}), inversions=kept)
        for size in (None, 32)
    )
    assert result.native.size == (80, 48) and small.native.size == (32, 32) and len(kept) == 2
    assert result.recipe["size"] == 64 and "size" not in small.recipe
    recipe = parse_recipe(result.recipe)
    *_, last = replay(editor_of(tiny, (0, 0, 32, 32)), recipe, taken)
    assert result_of(recipe, last).image.tobytes() == result.image.tobytes()
    with pytest.raises(ImageError, match="The size 33 does not suit this model: use a multiple of 16"):
        editor.edit(taken, SPEC.model_copy(update={"size": 33}))


def test_a_whole_picture_is_captioned_by_what_its_subject_shows(tiny):
    class Noting:
        def __init__(self) -> None:
            self.sizes: list[tuple[int, int]] = []

        def captions(self, pictures):
            self.sizes += [picture.size for picture in pictures]
            return ["a photo of a cat" for _ in pictures]

    noting = Noting()
    editor = Editor(tiny, {}, captioner=noting, finder=At((60, 10, 108, 58)))
    frames = look(editor, [photo(120, 80)], whole=True, caption=True)
    assert [frame.caption for frame in frames] == ["a photo of a cat"] and noting.sizes == [(32, 29)]


def test_nothing_is_found_without_a_finder(tiny):
    with pytest.raises(Unsupported, match="no finder of subjects"):
        Editor(tiny, {}).edit(photo(120, 80), "cat", "dog", region="auto")


@pytest.mark.parametrize(
    ("source", "target", "all_of_it"),
    [
        (None, "sketch", True),
        (None, "a painting", True),
        (None, "night", True),
        (None, "in bright light", True),
        (None, "on a grey background", True),
        (None, "close-up", False),
        (None, "dog", False),
        (None, "orange cat", False),
        (None, "a pencil sketch of a cat", True),
        (None, "a photo of a cat", False),
        ("a photo of a cat", "a pencil sketch of a cat", True),
        ("a photo of a cat", "a pencil sketch of a dog", True),
        ("a photo of a cat", "a dark photo of a cat", True),
        ("a photo of a cat on a red background", "a photo of a cat on a blue background", True),
        ("a photo of a cat on a red background", "a photo of an orange cat on a red background", False),
    ],
)
def test_styles_light_and_backgrounds_are_of_the_whole_picture(source: str | None, target: str, all_of_it: bool):
    assert changes_all(source, target) is all_of_it


@pytest.mark.parametrize(
    ("target", "share", "again"),
    [
        ("tiger", 0.72, None),
        ("a photo of a tiger", 0.72, None),
        ("lion", 0.85, None),
        ("dog", 1, Within(0.88, lift=0.06)),  # the frame of a dog keeps its top: (1 - 0.88) / 2
        ("golden retriever", 1, Within(0.88, lift=0.06)),
        ("a close-up photo of a husky", 1, Within(0.88, lift=0.06)),
        ("english springer", 1, Within(0.88, lift=0.06)),
        ("cat", 0.82, None),
        ("a photo of a kitten", 0.82, None),
        ("a photo of a cat on a white background", 0.82, None),
        ("grey cat", 1, None),
        ("orange", 1, None),
        ("orange tabby cat", 1, None),
        ("helicopter", 1, None),
    ],
)
def test_animals_are_edited_as_near_as_the_model_knows_them(target: str, share: float, again: Within | None):
    assert within(target) == Within(share, again=again)


def test_the_middle_of_a_found_part_is_edited_where_a_target_wants_it_nearer(tiny):
    editor, tiger = editor_of(tiny, (20, 10, 70, 60)), SPEC.model_copy(update={"target": "tiger"})
    (frame,) = look_at(editor, [photo(120, 80)], tiger)
    assert (frame.region, frame.part) == ((27, 17, 63, 53), "the head at 27,17,36,36")  # 0.72 * 50 around (45, 35)
    (whole,) = look_at(editor, [photo(120, 80)], tiger, near=False)
    given = tiger.model_copy(update={"region": "20,10,50,50"})
    (asked,) = look_at(editor, [photo(120, 80)], given)
    assert whole.region == asked.region == (20, 10, 70, 60)
    assert framed_alike(editor, [tiger, SPEC, tiger]) == [(0, 2), (1,)]
    assert framed_alike(editor, [one.model_copy(update={"fit": "pad"}) for one in (tiger, SPEC)]) == [(0, 1)]
    (framed_before,) = look_at(editor, [photo(40, 40)], tiger)
    assert framed_before.region is None
    dog = SPEC.model_copy(update={"source": "cat", "target": "dog"})
    (all_of_it,) = look_at(editor, [photo(120, 80)], dog)
    assert all_of_it.region == (20, 10, 70, 60)  # from nearer it is tried again
    assert nearer(all_of_it.region, within("dog").again, (120, 80)) == (23, 10, 67, 54)  # 0.88 * 50, the top as it was
    in_the_middle = editor_of(tiny, (20, 0, 100, 80))
    (close,) = look_at(in_the_middle, [photo(120, 80)], tiger)
    assert close.region == (31, 11, 89, 69)  # though all of what is found is the middle of the picture
    (usual,) = look_at(in_the_middle, [photo(120, 80)], dog)
    assert (usual.region, usual.part) == (None, "the middle, where the head is")
    for mask in ("alpha", GivenMask(sha256="0" * 64)):  # the part around a mask goes before what is found
        asked = [one.model_copy(update={"mask": mask}) for one in (tiger, SPEC)]
        assert framed_alike(editor, asked) == [(0, 1)]
    assert framed_alike(editor, [tiger, SPEC], near=False) == [(0, 1)]


def test_squares_lie_in_the_picture():
    assert square((50, 40), 20, (100, 80)) == (40, 30, 60, 50)
    assert square((2, 79), 30, (100, 80)) == (0, 50, 30, 80)
    assert square((50, 40), 500, (100, 80)) == (10, 0, 90, 80)
    assert overlap((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert overlap((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 10, 10), (10, 0, 20, 10)) == 0


def test_a_frame_of_about_the_middle_is_the_middle(tiny):
    left, top, right, bottom = middle((200, 100))
    close = found(At((left + 5, top, right - 5, bottom - 10)), photo(200, 100).image, "aspect", "crop", 32)
    assert (close.fit, close.box) == ("crop", None)


@pytest.fixture
def finding(checkpoint, tmp_path, monkeypatch):
    """The current folder, with a model that finds something in every picture and a picture."""
    monkeypatch.chdir(tmp_path)
    photograph(tmp_path / "cat.png", 200, 60)
    model = shutil.copytree(checkpoint, tmp_path / "model")
    save_finder(untrained(threshold=0), model / "finder")
    return tmp_path


def untrained(threshold: float) -> Finder:
    torch.manual_seed(0)
    shape = (8, 8, 8), (1, 1, 1)
    return Finder(FinderNetwork(*shape).eval(), *shape, threshold=threshold)


WORDED = ("--source", "cat", "--target", "dog", "--method", "sdedit", "--steps", "2", "--model", "model")


def test_the_command_line_says_what_it_takes(capsys, finding):
    done = call(capsys, "edit", "cat.png", *WORDED, "-o", "dog.png")
    assert done.code == 0, done.err
    left, top, right, bottom = read_recipe(Path("dog.png"))["region"]
    assert done.err.startswith(f"cat.png: edits the head at {left},{top},{right - left},{bottom - top}")
    shutil.rmtree("model/finder")
    assert "the same bytes" in call(capsys, "redo", "dog.png", "--model", "model").out
    refused = call(capsys, "edit", "cat.png", *WORDED, "-o", "again.png", "--region", "auto")
    assert refused.code != 0 and "no finder" in refused.err and not Path("again.png").exists()
    save_finder(untrained(threshold=1e9), finding / "model" / "finder")
    done = call(capsys, "edit", "cat.png", *WORDED, "-o", "middle.png")
    said = "cat.png: edits the middle, 70,0,60,60, since no head was found; --region says where it is"
    assert said in done.err.splitlines()


def test_targets_of_one_command_have_their_own_frames(capsys, finding):
    save_classifier(build_classifier((8, 8), (1, 1), size=16), finding / "model" / "classifier")
    done = call(
        capsys, "edit", "cat.png", *WORDED, "--target", "sketch", "--target", "fox", "--target", "wolf", "-o", "out"
    )
    assert done.code == 0, done.err
    assert [line for line in done.err.splitlines() if "the whole picture" in line] == [
        "cat.png: edits the whole picture"
    ]
    recipes = [read_recipe(Path(f"out/cat-{target}-sdedit-0.png")) for target in ("dog", "sketch", "fox", "wolf")]
    assert [recipe["target"] for recipe in recipes] == ["dog", "sketch", "fox", "wolf"]
    assert [recipe["fit"] for recipe in recipes] == ["aspect"] * 4
    assert recipes[2]["region"] == recipes[3]["region"] and "region" not in recipes[1]
    assert recipes[0]["region"] == recipes[2]["region"]  # a dog is edited in all of what is found, too


@pytest.mark.parametrize(
    ("where", "box"),
    [((10, 50, 30, 60), (4, 39, 36, 71)), ((0, 20, 100, 30), (0, 0, 100, 80)), ((90, 0, 120, 20), (81, 0, 120, 39))],
)
def test_the_part_around_a_given_mask_goes_before_one_that_is_found(tiny, where: Box, box: Box):
    left, top, right, bottom = where
    drawn = np.zeros((80, 120, 3), np.uint8)
    drawn[top:bottom, left:right] = 255
    mask, taken = Photo.of(Image.fromarray(drawn)), photo(120, 80)
    result = editor_of(tiny, (60, 10, 108, 58)).edit(taken, "cat", "dog", method=SDEdit(steps=2), mask=mask, soft=0)
    changed = (np.asarray(result.image) != np.asarray(taken.image)).any(2)
    assert not changed[drawn[..., 0] == 0].any() and changed[drawn[..., 0] > 0].mean() > 0.9
    assert result.recipe["region"] == [*box]
    editor = editor_of(tiny, (60, 10, 108, 58))
    *_, step = editor.run([taken], [SPEC.resolve(editor, photograph=False)], mask=mask)
    assert step.results[0][0].recipe["region"] == [*box]


def test_targets_that_take_all_of_what_is_found_share_a_frame(tiny):
    specs = [SPEC.model_copy(update={"source": "fox", "target": target}) for target in ("dog", "pug", "tabby cat")]
    assert framed_alike(editor_of(tiny, (60, 10, 108, 58)), specs) == [(0, 1, 2)]


def test_a_mask_that_a_region_cuts_is_told(tiny):
    mask = Photo.of(Image.new("RGB", (120, 80), "white"))
    with pytest.warns(Doubt, match="reaches beyond the part that is edited"):
        Editor(tiny, {}).edit(photo(120, 80), "cat", "dog", method=SDEdit(steps=2), mask=mask, region="0,0,40,40")


def test_a_saved_inversion_serves_a_target_that_is_seen_from_nearer(capsys, finding):
    """It was made of all of the part that is found, before anybody said what that becomes."""
    shutil.copytree(SHIPPED / "classifier", "model/classifier")  # whose captioner knows how near a tiger is seen
    photograph(finding / "cat.png", 800, 240)
    few = ("--source", "cat", "--model", "model", "--method", "ddim", "--steps", "2")
    inverted = call(capsys, "invert", "cat.png", *few, "-o", "cat.safetensors")
    assert inverted.code == 0, inverted.err
    tiger = ("edit", "cat.png", *few, "--target", "tiger", "-o")
    made = call(capsys, *tiger, "saved.png", "--inversion-file", "cat.safetensors")
    assert made.code == 0, made.err
    left, top, right, bottom = read_recipe(Path("saved.png"))["region"]
    assert call(capsys, *tiger, "nearer.png").code == 0
    near = read_recipe(Path("nearer.png"))["region"]
    assert near[2] - near[0] == round(0.72 * (right - left))
    assert left < near[0] < near[2] < right and top < near[1] < near[3] < bottom
