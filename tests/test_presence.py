"""A captioner's doubt: pictures without an animal, a classifier's head for them, and what it says then."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from tests.captioned import seeing, telling
from tests.shell import call, photograph, refused
from zeroshift import load
from zeroshift.captioning import PlainEnglish, Seen, see
from zeroshift.miniature.captioner import HeadsCaptioner
from zeroshift.miniature.classifier import Classifier, load_classifier, save_classifier
from zeroshift.miniature.training.no_animal import made_of, shuffled, textures
from zeroshift.miniature.training.presence import ACCEPTED, with_presence


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
    for prompt, animal in (("a photo of a cat", "cat"), ("an orange dog on a sofa", "dog")):
        missed = captioner.lacking(pictures, prompt)
        assert [bool(said) for said in missed] == [
            scene.noun != animal or not seen.sure for scene, seen in zip(scenes, captioner.see(pictures), strict=True)
        ]
    undecided = HeadsCaptioner(lambda: able, sure_from=2.0).lacking(pictures, "a photo of a cat")
    assert {said for said in undecided if said} <= {"a cat (no animal is clear in it)"}
    assert not any(captioner.lacking(pictures, "a photo of a cat and a dog"))
    assert not any(captioner.lacking(pictures, "a photo of a lion"))
    missed = captioner.lacking(pictures, "a pencil sketch of a lion")
    assert [bool(said) for said in missed] == [scene.medium != "sketch" for scene in scenes]


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


def test_an_edit_of_what_nobody_knows_asks_for_the_source(capsys, doubting):
    done = call(capsys, "edit", "scene.png", "--target", "dog", "--model", doubting, "--method", "sdedit", "--quiet")
    refused(done, 1, "not sure what the picture shows", "--source", "(cat ")
    done = call(capsys, "invert", "scene.png", "-o", "i.safetensors", "--model", doubting, "--quiet")
    refused(done, 1, "not sure what the picture shows", "--source")
    words = ("--source", "house", "--target", "dog", "--steps", "2", "--method", "sdedit")
    assert call(capsys, "edit", "scene.png", *words, "--model", doubting).code == 0
    editor = load(doubting)
    with pytest.raises(ValueError, match="not sure"):
        editor.caption("scene.png")
    assert not editor.see("scene.png").sure


def test_caption_prints_probabilities_and_doubt(capsys, doubting):
    done = call(capsys, "caption", "scene.png", "--model", doubting)
    assert done.code == 0 and done.out.startswith("scene.png: not sure; the best guess is ") and "(cat " in done.out
    told = json.loads(call(capsys, "caption", "scene.png", "--model", doubting, "--json").out)
    assert told["sure"] is False and set(told["probabilities"]) == {"cat", "dog"} and told["caption"]
