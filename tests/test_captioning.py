"""The shipped model's captions: what the heads say, what is read in them, and the edits that follow."""

from itertools import product

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.captioned import COATS, heads_of, read_by, telling
from zeroshift.captioning.subject import subject_of
from zeroshift.miniature.captioner import HeadsCaptioner, read_captioner
from zeroshift.miniature.classifier import Classifier, build_classifier, save_classifier
from zeroshift.miniature.data import CaptionedPicture
from zeroshift.miniature.quality.captions import caption_figures, style_caption_figures
from zeroshift.miniature.reading import retarget, style_of
from zeroshift.miniature.renderings import RENDERINGS
from zeroshift.miniature.vocabulary import BACKGROUND, CALLED, MEDIA, STYLES, Scene
from zeroshift.sentences import with_article


@pytest.mark.parametrize("medium", MEDIA)
def test_subject_and_style_of_everything_that_the_shipped_model_says(medium: str) -> None:
    places = ["", *(f" {way.format('green')}" for way in BACKGROUND)]
    for phrase, way, place in product(("cat", "orange cat", "black and white dog"), MEDIA[medium], places):
        caption = way.format(with_article(phrase)) + place
        subject = subject_of(caption)
        assert (subject.phrase, subject.noun) == (phrase, phrase.split()[-1]), caption
        assert style_of(caption) == (medium if medium in STYLES else "photo"), caption


def test_a_black_and_white_cat_is_no_style() -> None:
    assert style_of("a photo of a black and white cat") == "photo"
    assert style_of("a black-and-white photo of a black and white cat") == "black-and-white"


@pytest.mark.parametrize("medium", CALLED)
def test_every_name_of_a_style_or_light_asks_for_it(medium: str) -> None:
    seen = "a pencil sketch of a cat" if medium != "sketch" else "a photo of a cat"
    for name in CALLED[medium]:
        assert retarget(seen, name).target_prompt == MEDIA[medium][0].format("a cat"), name


def test_styles_in_other_words() -> None:
    assert style_of("a drawing of a cat") == "sketch"
    assert style_of("a black and white photo of a cat") == "black-and-white"
    assert style_of("an oil painting of two dogs") == "painting"


def test_a_word_takes_the_nouns_place_and_attributes_go() -> None:
    task = retarget("a photo of an orange cat", "dog")
    assert (task.source, task.target, task.words) == ("cat", "dog", ("cat", "dog"))
    assert (task.source_prompt, task.target_prompt) == ("a photo of a cat", "a photo of a dog")
    task = retarget("a pencil sketch of a tabby cat", "orange dog")
    assert task.words == ("cat", "orange dog")
    assert task.source_prompt == "a pencil sketch of a cat"
    assert task.target_prompt == "a pencil sketch of an orange dog"


@pytest.mark.parametrize(
    ("caption", "target", "source_prompt", "target_prompt"),
    [
        ("a photo of a tabby cat", "a dog", "a photo of a cat", "a photo of a dog"),
        ("a photo of a black cat", "orange", "a photo of a black cat", "a photo of an orange cat"),
        ("a photo of a cat", "black and white", "a photo of a cat", "a photo of a black and white cat"),
        ("a photo of a black and white dog", "tan", "a photo of a black and white dog", "a photo of a tan dog"),
        ("a photo of a tabby cat", "sketch", "a photo of a tabby cat", "a pencil sketch of a tabby cat"),
        ("a photo of a tabby cat", "a painting", "a photo of a tabby cat", "a painting of a tabby cat"),
        ("a pencil sketch of a cat", "photo", "a pencil sketch of a cat", "a photo of a cat"),
        ("a photo of an orange dog", "night", "a photo of an orange dog", "a photo of an orange dog at night"),
        ("a photo of a dog at night", "day", "a photo of a dog at night", "a photo of a dog"),
        ("a photo of a cat", "monochrome", "a photo of a cat", "a black-and-white photo of a cat"),
        (
            "a photo of a tabby cat",
            "black and white photo",
            "a photo of a tabby cat",
            "a black-and-white photo of a tabby cat",
        ),
        ("a photo of a cat", "posterised painting", "a photo of a cat", "a painting of a cat"),
        ("a photo of a cat", "grey", "a photo of a cat", "a photo of a gray cat"),
        ("a photo of a cat", "red", "a photo of a cat", "a photo of a red cat"),
        ("a photo of a tabby cat", "dark", "a photo of a tabby cat", "a dark photo of a tabby cat"),
        ("a photo of a tabby cat", "in bright light", "a photo of a tabby cat", "a bright photo of a tabby cat"),
        ("a photo of a tabby cat", "close-up", "a photo of a tabby cat", "a close-up photo of a tabby cat"),
        ("a photo of a cat", "a green background", "a photo of a cat", "a photo of a cat on a green background"),
        (
            "a painting of a cat on a red background",
            "on a gray background",
            "a painting of a cat on a red background",
            "a painting of a cat on a grey background",
        ),
        ("a photo of a tabby cat", "black and white dog", "a photo of a cat", "a photo of a black and white dog"),
        (
            "a photo of a cat on a green background.",
            "sketch",
            "a photo of a cat on a green background",
            "a pencil sketch of a cat on a green background",
        ),
        ("a photo of a cat", "grey dog", "a photo of a cat", "a photo of a gray dog"),
        ("a photo of a cat", "a golden retriever dog", "a photo of a cat", "a photo of a golden retriever dog"),
        ("a sketch of a black and white cat", "orange dog", "a sketch of a cat", "a sketch of an orange dog"),
        ("a photo of a cat", "golden retriever dog", "a photo of a cat", "a photo of a golden retriever dog"),
    ],
)
def test_coats_and_styles_are_edited_as_such(caption: str, target: str, source_prompt: str, target_prompt: str) -> None:
    task = retarget(caption, target)
    assert (task.source_prompt, task.target_prompt) == (source_prompt, target_prompt)


def test_the_style_that_is_there_already_is_no_target() -> None:
    for caption, target in (
        ("a pencil sketch of a tabby cat", "sketch"),
        ("a photo of a cat on a green background", "photo"),
        ("a photo of an orange cat", "orange"),
        ("a photo of a gray cat", "grey cat"),
    ):
        with pytest.raises(ValueError, match="would change nothing; give another target"):
            retarget(caption, target)


@pytest.mark.parametrize("target", ["", " "])
def test_an_empty_target_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="The target is empty"):
        retarget("a photo of a cat", target)


def test_a_whole_prompt_stands_against_the_whole_caption() -> None:
    task = retarget("a photo of a tabby cat", "a pencil sketch of a tabby cat")
    assert task.words is None
    assert task.source_prompt == "a photo of a tabby cat"
    assert task.target_prompt == "a pencil sketch of a tabby cat"


@pytest.mark.parametrize("target", ["cat", " CAT ", "tabby cat", "a photo of a tabby cat"])
def test_what_is_there_already_is_no_target(target: str) -> None:
    with pytest.raises(ValueError, match="would change nothing; give another target"):
        retarget("a photo of a tabby cat", target)


@pytest.fixture
def pictures() -> Tensor:
    draw = torch.Generator().manual_seed(3)
    return (torch.rand(40, 3, 16, 16, generator=draw) * 255 * torch.rand(40, 3, 1, 1, generator=draw)).to(torch.uint8)


@pytest.fixture
def classifier(pictures: Tensor) -> Classifier:
    return telling(pictures)


def as_images(pictures: Tensor) -> list[Image.Image]:
    return [Image.fromarray(np.ascontiguousarray(picture.permute(1, 2, 0).numpy())) for picture in pictures]


@torch.no_grad()
def test_captions_are_what_the_heads_find(classifier: Classifier, pictures: Tensor) -> None:
    """One picture at a time: both sides' logits, the largest style, a coat only where it is likely."""
    expected = []
    for picture in pictures:
        x = picture[None].float() / 127.5 - 1
        sides = zip(read_by(classifier, x), read_by(classifier, x.flip(-1)), strict=True)
        both = zip(heads_of(classifier), sides, strict=True)
        animal, coat, style = ((head(one) + head(other))[0] / 2 for head, (one, other) in both)
        noun = "dog" if animal.sigmoid() >= 0.5 else "cat"
        likely = coat.softmax(0)
        if STYLES[style.argmax()] == "photo" and likely.max() >= 0.8:
            noun = f"{COATS[likely.argmax()]} {noun}"
        expected.append(MEDIA[STYLES[style.argmax()]][0].format(with_article(noun)))
    captioner = HeadsCaptioner(lambda: classifier, coat_from=0.8)
    assert captioner.captions(as_images(pictures)) == expected
    assert len(set(expected)) >= 5 and any(f"a {coat} " in text for text in expected for coat in COATS)
    assert captioner.captions([]) == []


def test_the_threshold_decides_whether_a_coat_is_said(classifier: Classifier, pictures: Tensor) -> None:
    always, never = (HeadsCaptioner(lambda: classifier, coat_from=value).scenes(pictures) for value in (0.0, 1.01))
    assert all(scene.subject == scene.noun for scene in never)
    assert all((scene.subject != scene.noun) == (scene.medium == "photo") for scene in always)
    assert [scene.noun for scene in always] == [scene.noun for scene in never]


def test_a_classifier_of_animals_alone_names_them(pictures: Tensor, tmp_path) -> None:
    torch.manual_seed(0)
    save_classifier(build_classifier((8,), (1,), size=16), tmp_path)
    captions = read_captioner(tmp_path).captions(as_images(pictures))
    assert set(captions) <= {Scene("cat").caption, Scene("dog").caption}


def test_only_the_centred_square_of_a_picture_counts(classifier: Classifier, pictures: Tensor) -> None:
    captioner = HeadsCaptioner(lambda: classifier)
    wide = [Image.new("RGB", (32, 16), "red") for _ in pictures]
    for around, inner in zip(wide, as_images(pictures), strict=True):
        around.paste(inner, (8, 0))
    assert captioner.captions(wide) == captioner.captions(as_images(pictures))


def test_caption_figures_are_counted_one_by_one(classifier: Classifier, pictures: Tensor) -> None:
    captioner = HeadsCaptioner(lambda: classifier, coat_from=0.5)
    scenes = [captioner.scenes(picture[None])[0] for picture in pictures]
    # two of three labels are what is said, if anything is
    coats = [s.subject.removesuffix(s.noun).strip() if k % 3 else ("", *COATS)[k % 4] for k, s in enumerate(scenes)]
    labels = [{"species": ("cat", "dog")[k % 2], "coat": coat or COATS[k % 2]} for k, coat in enumerate(coats)]
    labels[0]["coat"] = ""
    by = ["hand"] * 20 + ["auto"] * 20
    rows = [CaptionedPicture("", "", "test", {**x, "coat_label": y}) for x, y in zip(labels, by, strict=True)]
    animals = [scene.noun == label["species"] for scene, label in zip(scenes, labels, strict=True)]
    coated = [k for k in range(20) if labels[k]["coat"]]
    said = [k for k in coated if scenes[k].subject != scenes[k].noun]
    right = [k for k in said if scenes[k].subject == f"{labels[k]['coat']} {scenes[k].noun}"]
    assert 0 < len(right) < len(said) < len(coated)
    assert caption_figures(captioner, pictures, rows) == {
        "caption_animal_accuracy": sum(animals) / 40,
        "caption_coats_said": len(said) / len(coated),
        "caption_coats_right": len(right) / len(said),
    }
    assert caption_figures(captioner, pictures[:1], rows[:1]).keys() == {"caption_animal_accuracy"}


def test_style_figures_are_counted_style_by_style(classifier: Classifier, pictures: Tensor) -> None:
    captioner = HeadsCaptioner(lambda: classifier)
    rows = [CaptionedPicture("", "", "test", {"species": ("cat", "dog")[k % 2]}) for k in range(40)]
    found = style_caption_figures(captioner, pictures, rows)
    shares, animals = {}, []
    for style in STYLES:
        made = pictures if style == "photo" else RENDERINGS[style](pictures)
        scenes = captioner.scenes(made)
        shares[f"caption_style_accuracy_{style.replace('-', '_')}"] = sum(s.medium == style for s in scenes) / 40
        if style != "photo":
            animals += [s.noun == row.labels["species"] for s, row in zip(scenes, rows, strict=True)]
    assert len(set(shares.values())) > 2
    assert found == pytest.approx(
        {
            "caption_style_accuracy": sum(shares.values()) / 5,
            "caption_renderings_animal_accuracy": sum(animals) / 160,
            **shares,
        }
    )
