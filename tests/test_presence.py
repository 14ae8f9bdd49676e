"""A captioner's doubt: pictures without an animal, a classifier's head for them, and what it says then."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from tests.captioned import seeing, telling
from tests.shell import call, files, photograph, refused
from zeroshift import load
from zeroshift.captioning import PlainEnglish, Seen, see
from zeroshift.captioning.subject import subject_of
from zeroshift.image import read_recipe
from zeroshift.miniature.captioner import CLEARER, HeadsCaptioner
from zeroshift.miniature.classifier import Classifier, load_classifier, save_classifier
from zeroshift.miniature.data.breeds import CATS, DOGS, animal_of
from zeroshift.miniature.judging import Shown, clarity, missing, wanted_by
from zeroshift.miniature.training.no_animal import made_of, shuffled, textures
from zeroshift.miniature.training.presence import ACCEPTED, main, with_presence


def rings(count: int, seed: int) -> torch.Tensor:
    """Pictures with a bright disc in the middle, which stand for animals, uint8 (N, 3, 16, 16)."""
    generator = torch.Generator().manual_seed(seed)
    at = torch.arange(16) - 7.5
    disc = (torch.hypot(at[:, None], at) < 5).float()
    colours = torch.rand(count, 3, 1, 1, generator=generator) * 80
    grain = torch.randn(count, 3, 16, 16, generator=generator) * 6
    return (40 + colours + 110 * disc + grain).clamp(0, 255).to(torch.uint8)


@pytest.fixture(scope="module")
def able() -> Classifier:
    """A classifier of random features with a head for presence."""
    return with_presence(telling(rings(8, 0)), rings(60, 1), rings(100, 2))


def test_what_is_made_is_as_large_as_its_pictures_and_the_same_every_time():
    pictures = rings(16, 3).float()
    made, again = (made_of(pictures, torch.Generator().manual_seed(4)) for _ in range(2))
    assert made.shape[1:] == pictures.shape[1:] and len(made) > 2 * len(pictures)
    assert torch.equal(made, again) and made.min() >= 0 and made.max() <= 255


def test_shuffling_keeps_the_pixels_and_moves_them():
    pictures = rings(3, 5).float()
    moved = shuffled(pictures, 4, torch.Generator().manual_seed(0))
    assert not torch.equal(moved, pictures)
    for one, other in zip(pictures, moved, strict=True):
        assert torch.allclose(one.flatten(1).sort().values, other.flatten(1).sort().values, atol=1e-3)


def test_it_is_sure_of_the_share_of_val_that_was_asked_for(able):
    sure = (able.presence(rings(100, 2)) >= able.sure_from).float().mean()
    assert sure == pytest.approx(ACCEPTED, abs=0.011)
    flat = textures(80, 16, torch.Generator().manual_seed(6)).to(torch.uint8)
    assert (able.presence(flat) >= able.sure_from).float().mean() < 0.5


def test_other_heads_say_what_they_said(able):
    pictures = rings(6, 7)
    for one, other in zip(able.logits(pictures), telling(rings(8, 0)).logits(pictures), strict=True):
        assert torch.equal(one, other)
    assert telling(rings(8, 0)).presence(pictures) is None


def test_nothing_is_kept_for_gradients(able):
    for parameter in able.network.parameters():
        parameter.requires_grad_(True)
    pictures = rings(2, 7)
    assert not any(one.requires_grad for one in (able.presence(pictures), *able.logits(pictures)))


def test_what_is_saved_is_read(able, tmp_path):
    save_classifier(able, tmp_path)
    again = load_classifier(tmp_path)
    assert again.sure_from == able.sure_from
    assert torch.allclose(again.presence(rings(6, 8)), able.presence(rings(6, 8)), atol=0.05)  # saved in float16
    config = json.loads((tmp_path / "config.json").read_text())
    config["presence"]["hidden"] = 5
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="classifier"):
        load_classifier(tmp_path)


def test_a_captioner_gives_probabilities_and_doubts(able):
    pictures = [Image.fromarray(p.permute(1, 2, 0).numpy()) for p in rings(20, 9)]
    captioner = HeadsCaptioner(lambda: able, sure_from=0.0)
    seen = captioner.see(pictures)
    assert [one.caption for one in seen] == captioner.captions(pictures)
    for one in seen:
        assert sum(one.probabilities.values()) == pytest.approx(1)
    there = (able.presence(rings(20, 9)) >= able.sure_from).tolist()
    assert [one.sure for one in seen] == there
    undecided = HeadsCaptioner(lambda: able, sure_from=2.0).see(pictures)
    assert not any(one.sure for one in undecided)


def test_a_captioner_without_doubts_is_sure():
    class Plain:
        def captions(self, pictures):
            return ["a red car"] * len(pictures)

    assert see(Plain(), [Image.new("RGB", (8, 8))]) == [Seen("a red car")]
    assert not hasattr(PlainEnglish(), "see") and Seen("a red car").guess == "a red car"
    assert Seen("a cat", {"cat": 0.9, "dog": 0.1}).guess == "a cat (cat 0.90, dog 0.10)"


def test_it_misses_the_animal_and_the_style_that_a_prompt_names(able):
    captioner = HeadsCaptioner(lambda: able, sure_from=0.0)
    pictures = [Image.fromarray(p.permute(1, 2, 0).numpy()) for p in rings(20, 10)]
    arrays = torch.from_numpy(np.stack([np.asarray(p.resize((16, 16), Image.Resampling.LANCZOS)) for p in pictures]))
    scenes = captioner.scenes(arrays.permute(0, 3, 1, 2))
    clear = (able.presence(arrays.permute(0, 3, 1, 2)) >= able.sure_from + CLEARER).tolist()
    for source, target, animal in (
        ("dog", "cat", "cat"),
        ("cat", "orange dog", "dog"),
        ("cat", "pug", "dog"),
    ):
        missed = captioner.lacking(pictures, f"a photo of a {target}", f"a photo of a {source}")
        assert [bool(said) for said in missed] == [
            scene.noun != animal or not there for scene, there in zip(scenes, clear, strict=True)
        ]
    undecided = HeadsCaptioner(lambda: able, sure_from=2.0).lacking(pictures, "a photo of a cat")
    assert {one.partition(",")[0] for one in undecided} <= {
        "",
        "a cat (no animal is clear in it)",
        "a cat (perhaps a dog",
    }
    assert not any(captioner.lacking(pictures, "a photo of a cat and a dog"))
    lions = captioner.lacking(pictures, "a photo of a lion")
    present = (able.presence(arrays.permute(0, 3, 1, 2)) >= able.sure_from).tolist()
    assert lions == ["" if there else "a lion (no animal is clear in it)" for there in present]
    assert captioner.lacking([], "a photo of a dog") == captioner.clarity([], "a photo of a dog") == []
    assert captioner.clarity(pictures, "a photo of a lion") is captioner.clarity(pictures, "a photo of a lorry") is None
    strange = captioner.lacking(pictures, "a photo of a lorry", "a photo of a cat", ["lorry"])
    for said, scene, there in zip(strange, scenes, clear, strict=True):
        assert f"a lorry ({'still a cat' if scene.noun == 'cat' else 'a dog'}, " in said or not there


def test_it_misses_the_style_of_a_drawing_and_not_its_animal():
    drawing, photograph = {"photo": 0.05, "sketch": 0.95}, {"photo": 0.95, "sketch": 0.05}
    wanted = wanted_by("a pencil sketch of a cat", "a photo of a cat", (), ("cat", "dog"), tuple(drawing))
    for animal in ("cat", "dog"):
        assert missing(wanted, Shown(animal, 0.99, 1.0, True, drawing)) == ""
        assert missing(wanted, Shown(animal, 0.99, 1.0, True, photograph)) == "a pencil sketch of it (photo)"
    assert missing(wanted, Shown("cat", 0.99, 1.0, True, {"photo": 0.6, "sketch": 0.4})) == ""
    dog = wanted_by("a pencil sketch of a dog", "a photo of a cat", (), ("cat", "dog"), tuple(drawing))
    assert missing(dog, Shown("cat", 0.99, 1.0, True, drawing)) == "a dog (still a cat, 0.99)"


def test_what_is_not_clear_is_told_of_every_animal_and_compared():
    before = ("a photo of a cat", (), ("cat", "dog"), ("photo", "sketch"))
    dog, tiger = (wanted_by(f"a photo of a {word}", *before) for word in ("dog", "tiger"))
    said = {"photo": 1.0, "sketch": 0.0}
    faceless, seen = Shown("dog", 0.7, -0.5, True, said), Shown("dog", 0.7, 1.0, True, said)
    guessed, still = (Shown("cat", 0.7, 2.0, decided, said) for decided in (False, True))
    assert missing(dog, faceless) == "a dog (no animal is clear in it)"
    assert missing(tiger, faceless) == "a tiger (no animal is clear in it)"
    assert missing(dog, guessed) == "a dog (perhaps still a cat, 0.70)"
    assert missing(dog, seen) == missing(tiger, guessed) == missing(tiger, still) == ""
    assert clarity(dog, seen) == 1 and clarity(dog, guessed) == 2
    assert clarity(dog, still) < clarity(dog, faceless) < 0


def test_breeds_are_of_their_animal():
    assert [
        animal_of(text) for text in ("a photo of a Siberian husky", "a siamese", "a lion", "a cat and a pug", "")
    ] == [
        "dog",
        "cat",
        "",
        "",
        "",
    ]
    assert all(animal_of(name) == "dog" for name in DOGS) and all(animal_of(name) == "cat" for name in CATS)
    husky = wanted_by("a photo of a husky", "a photo of a dog", (), ("cat", "dog"), ())
    assert missing(husky, Shown("cat", 0.91, 1.0, True, {})) == "a husky (a cat, 0.91)"


@pytest.fixture
def doubting(checkpoint, tmp_path, monkeypatch):
    """A model that is sure of nothing, and a photograph."""
    place = photograph(tmp_path / "scene.png", 32, 32)
    folder = seeing(checkpoint, tmp_path / "model", [place, photograph(tmp_path / "other.png", 32, 32, seed=1)])
    made = load_classifier(folder / "classifier")
    pictures = torch.randint(0, 256, (40, 3, 16, 16), dtype=torch.uint8)
    made = with_presence(made, pictures, pictures)
    shutil.rmtree(folder / "classifier")
    save_classifier(Classifier(**{**vars(made), "sure_from": 1e4}), folder / "classifier")
    monkeypatch.chdir(tmp_path)
    return folder


def test_the_command_leaves_the_classifier_as_it_is_and_writes_another(tmp_path, capsys):
    pytest.importorskip("lightning")
    rows = ["file,caption,split,species"]
    for k, picture in enumerate(rings(24, 9)):
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(tmp_path / f"{k}.png")
        rows.append(f"{k}.png,a photo of a cat,{'val' if k % 3 == 2 else 'train'},{'dog' if k % 2 else 'cat'}")
    (tmp_path / "captions.csv").write_text("\n".join(rows))
    save_classifier(telling(rings(8, 0)), tmp_path / "bare")
    before = [path.read_bytes() for path in sorted((tmp_path / "bare").iterdir())]
    words = [str(tmp_path / name) for name in ("bare", ".", "able")]
    main(words)
    made = load_classifier(tmp_path / "able")
    assert made.network.presence_head is not None and f"from {made.sure_from:.2f}" in capsys.readouterr().out
    assert [path.read_bytes() for path in sorted((tmp_path / "bare").iterdir())] == before
    with pytest.raises(SystemExit, match="error: .*able is not empty"):
        main(words)


def test_an_edit_of_what_nobody_knows_asks_for_the_source(capsys, doubting):
    done = call(capsys, "edit", "scene.png", "--target", "dog", "--model", doubting, "--method", "sdedit", "--quiet")
    refused(done, 1, "The model sees no cat or dog in the picture. Say with --source")
    assert ", or give the --region that shows it." in done.err and "does not know" not in done.err
    wanted = ("--target", "winter", "--region", "0,0,20,20", "--model", doubting, "--method", "sdedit", "--quiet")
    refused(
        call(capsys, "edit", "scene.png", *wanted), 1, "Say with --source what it shows. ", 'does not know "winter"'
    )
    done = call(capsys, "invert", "scene.png", "-o", "i.safetensors", "--model", doubting, "--quiet")
    refused(done, 1, "sees no cat or dog", "--source")
    words = ("--source", "house", "--target", "dog", "--steps", "2", "--method", "sdedit")
    assert call(capsys, "edit", "scene.png", *words, "--model", doubting).code == 0
    editor = load(doubting)
    with pytest.raises(ValueError, match="sees no cat or dog"):
        editor.caption("scene.png")
    assert not editor.see("scene.png").sure


def test_an_edit_of_the_whole_picture_needs_to_know_nothing_of_what_is_in_it(capsys, doubting):
    caption = load(doubting).see("scene.png").scene
    style, prompt = ("sketch", "a pencil sketch") if "sketch" not in caption else ("painting", "a painting")
    words = ("--target", "dog", "--target", style, "--method", "sdedit", "--steps", "2", "--model", doubting)
    done = call(capsys, "edit", "scene.png", *words, "--keep-going", "--sheet", "sheet.png")
    assert done.code == 1 and done.err.endswith("zeroshift: error: 1 of 2 edits was left out; the others are done.\n")
    assert "left out: scene.png to dog: The model sees no cat or dog" in done.err
    recipe = read_recipe(f"out/scene-{style}-sdedit-0.png")
    assert (recipe["source_prompt"], recipe["target_prompt"]) == (caption, prompt) and "sheet.png" in done.err


def test_of_a_dog_among_cats_only_the_edit_to_a_dog_is_left_out(capsys, checkpoint, tmp_path, monkeypatch):
    places = [photograph(tmp_path / f"{k}.png", 32, 32, seed=k) for k in range(6)]
    folder = seeing(checkpoint, tmp_path / "model", places)
    monkeypatch.chdir(tmp_path)
    editor = load(folder)
    found = {subject_of(editor.see(place).caption).noun: place.name for place in places}
    words = ("--target", "dog", "--target", "lion", "--method", "sdedit", "--steps", "2", "--model", folder)
    done = call(capsys, "edit", found["cat"], found["dog"], *words, "--keep-going")
    assert done.code == 1 and done.err.endswith("zeroshift: error: 1 of 4 edits was left out; the others are done.\n")
    assert f"left out: {found['dog']} to dog: The picture shows" in done.err
    every = {f"{name[0]}-{word}-sdedit-0.png" for name in found.values() for word in ("dog", "lion")}
    assert set(files(tmp_path / "out")) == every - {f"{found['dog'][0]}-dog-sdedit-0.png"}


def test_caption_prints_probabilities_and_doubt(capsys, doubting):
    done = call(capsys, "caption", "scene.png", "--model", doubting)
    assert (
        done.code == 0 and done.out.startswith("scene.png: no cat or dog; the best guess is ") and "(cat " in done.out
    )
    told = json.loads(call(capsys, "caption", "scene.png", "--model", doubting, "--json").out)
    assert told["sure"] is False and set(told["probabilities"]) == {"cat", "dog"} and told["caption"]
