"""What a training learns from: captions, measured words, close-ups and renderings."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zeroshift.miniature.data import CaptionedFolder, CaptionedPicture
from zeroshift.miniature.renderings import RENDERINGS, black_and_white, blurred, luma, night, painting, sketch
from zeroshift.miniature.training.captions import SHARES, scene_in, scene_of, spoken, vary
from zeroshift.miniature.training.dataset import Material, balanced, column_of, described, details, gathered, renderings
from zeroshift.miniature.training.photo_attributes import background, blurry, colour, light
from zeroshift.miniature.vocabulary import COLOURS, MEDIA, STYLES, Scene

ROOT = Path(__file__).parents[1]


def drawn(scene, count=300, **shares):
    choice = random.Random(0)
    return [vary(scene, choice, replace(SHARES, **shares)) for _ in range(count)]


def test_captions_vary_and_keep_their_noun():
    varied = set(drawn(scene_of("a photo of a tabby cat")))
    assert len(varied) > 100 and all("cat" in text for text in varied)
    assert any("tabby" not in text for text in varied) and "a photo of a tabby cat" in varied
    assert all("tabby" in text for text in drawn(Scene("tabby cat"), bare=0.0))
    assert set(drawn(scene_of("two boats at sea"), 9)) == {"two boats at sea"}


@pytest.mark.parametrize(
    ("caption", "labels", "scene"),
    [
        ("a photo of a cat", {"species": "cat", "coat": "tabby"}, Scene("cat")),
        (
            "a photo of a pug dog",
            {"species": "dog", "breed": "pug", "coat": "tan"},
            Scene("tan dog", called=("pug dog", "pug")),
        ),
        ("a photo of a siamese cat", {"species": "cat", "breed": "siamese"}, Scene("cat", called=("siamese cat",))),
        ("a photo of a cat", {"species": "cat", "closeness": "close"}, Scene("cat", "close")),
        ("a photo of a dog", {"species": "dog", "breed": "bernese mountain dog"}, None),
        ("two boats at sea", {"breed": "pug"}, "two boats at sea"),
    ],
)
def test_a_rows_columns_add_to_its_caption(caption, labels, scene):
    found = scene_in(CaptionedPicture("a.png", caption, "train", labels))
    assert found == (Scene("dog", called=("bernese mountain dog",)) if scene is None else scene)


def test_a_subject_is_called_by_all_its_names():
    texts = drawn(Scene("tan dog", called=("pug dog", "pug")), called=0.5, bare=0.5)
    pugs = sum("pug" in text for text in texts) / len(texts)
    assert 0.4 < pugs < 0.6 and any("pug dog" in t for t in texts) and any("pug" in t and "dog" not in t for t in texts)
    assert any("tan dog" in t for t in texts) and any("dog" in t and "tan" not in t and "pug" not in t for t in texts)
    assert {"pug"} <= {word for text in spoken([Scene("dog", called=("pug",))]) for word in text.split()}


@pytest.mark.parametrize("plain", [0.0, 1.0])
def test_a_background_that_is_to_be_said_is_said_in_every_pattern(plain):
    assert all(
        "green background" in text for text in drawn(Scene("cat", "photo", "green"), background=1.0, plain=plain)
    )


@pytest.mark.parametrize("medium", [*STYLES[1:], "close"])
def test_a_medium_is_always_said(medium):
    ways = {way.format("a cat") for way in MEDIA[medium]}
    assert set(drawn(Scene("cat", medium))) == ways


def test_light_and_background_are_said_of_some():
    texts = drawn(Scene("cat", "dark", "green"), light=0.3, background=0.3)
    dim = sum("dark photo" in t or "dim light" in t or "shade" in t for t in texts) / len(texts)
    green = sum("green background" in t for t in texts) / len(texts)
    assert 0.2 < dim < 0.4 and 0.2 < green < 0.4
    places = [t for t in texts if "grass" in t or "sofa" in t]
    assert places and not any("background" in t for t in places)  # a known background takes the place of an idle one


def test_the_usual_sentence_of_a_scene():
    assert Scene("orange cat").caption == "a photo of an orange cat"
    assert Scene("tabby cat", "sketch").caption == "a pencil sketch of a tabby cat"
    assert Scene("dog", "night").caption == "a photo of a dog at night"
    assert Scene("dog", background="green").caption == "a photo of a dog on a green background"


def test_the_tokenizer_hears_every_word():
    scenes = [Scene("tabby cat", "close"), Scene("black dog", background="green"), "two boats at sea"]
    heard = {word for text in spoken(scenes) for word in text.replace(",", "").split()}
    assert {*COLOURS, "tabby", "black", "boats", "pencil", "oil", "night", "close-up", "bright"} <= heard


def flat(*colours):
    return torch.tensor(colours, dtype=torch.uint8)[:, :, None, None].expand(-1, -1, 24, 24).contiguous()


def test_colours_have_the_names_that_people_give_them():
    known = {
        (0, 0, 0): "black",
        (250, 250, 250): "white",
        (128, 128, 128): "grey",
        (180, 30, 30): "red",
        (120, 80, 45): "brown",
        (230, 210, 60): "yellow",
        (60, 140, 50): "green",
        (40, 70, 170): "blue",
        (255, 255, 0): "yellow",
        (107, 122, 64): "green",
        (150, 172, 100): "green",
        (180, 30, 45): "red",
        (255, 0, 230): "",  # pink and purple are no red, rosy is no brown, cyan is no green
        (230, 50, 205): "",
        (128, 77, 122): "",
        (178, 115, 140): "",
        (0, 255, 255): "",
    }
    for rgb, name in known.items():
        assert colour([part / 255 for part in rgb]) == name
    assert background(flat(*known)) == list(known.values())
    halves = flat((60, 140, 50))
    halves[..., 12:] = 250
    assert background(halves) == [""]


def test_light_is_the_mean_grey_value():
    assert light(flat((30, 30, 30), (120, 120, 120), (200, 200, 200))) == ["dark", "photo", "bright"]


@pytest.mark.parametrize("style", RENDERINGS)
def test_renderings_keep_shape_and_kind_and_do_each_picture_alone(style):
    pictures = torch.randint(0, 256, (3, 3, 64, 64), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    made = RENDERINGS[style](pictures)
    assert made.shape == pictures.shape and made.dtype == torch.uint8
    assert made[1:2].equal(RENDERINGS[style](pictures[1:2]))
    assert not made.equal(pictures)


def test_what_the_renderings_do():
    ramp = torch.linspace(0, 255, 64).expand(1, 3, 64, 64).round().to(torch.uint8)
    photo = torch.randint(0, 256, (1, 3, 64, 64), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    for grey in (sketch(photo), black_and_white(photo)):
        assert grey[:, 0].equal(grey[:, 1]) and grey[:, 1].equal(grey[:, 2])
    assert sketch(flat((200, 200, 200))).float().mean() > 230  # no edges, no lines: paper
    assert len(painting(ramp).unique()) <= 10
    dark = night(flat((200, 200, 200)))[0, :, 0, 0].tolist()
    assert dark[0] < dark[1] < dark[2] < 150
    peak = torch.zeros(1, 1, 41, 41)
    peak[..., 20, 20] = 1
    spread = blurred(peak, 3.0)[0, 0]
    at = torch.arange(41) - 20
    assert spread.sum().item() == pytest.approx(1, abs=1e-3)
    assert (spread.sum(0) * at.square()).sum().sqrt().item() == pytest.approx(3, rel=0.03)
    assert luma(flat((255, 255, 255))).mean().item() == pytest.approx(255)


class Row:
    def __init__(self, value):
        self.labels = {"species": value}


def test_classes_are_balanced():
    weights = balanced([Row("cat"), Row("cat"), Row("cat"), Row("dog")], "species")
    assert weights[:3].sum() == pytest.approx(weights[3].item())
    assert len(set(balanced([Row("cat"), Row("cat"), Row("dog")], "none").tolist())) == 1


def test_a_column_to_balance_by_has_to_be_there(tmp_path):
    table = tmp_path / "captions.csv"
    table.write_text("file,caption,species,coat\na.png,a photo of a cat,cat,black\n")
    folder = CaptionedFolder.open(tmp_path)
    assert [column_of(folder, asked) for asked in (None, "coat", "none")] == ["species", "coat", "none"]
    with pytest.raises(ValueError, match="no column coats to balance by; there is species, coat; name one with `bal"):
        column_of(folder, "coats")
    with pytest.raises(ValueError, match="no column spezies"):
        gathered(folder, 16, "spezies", 0.0, 0.0)
    table.write_text("file,caption\na.png,a photo of a cat\n")
    assert column_of(CaptionedFolder.open(tmp_path), None) == "none"
    with pytest.raises(ValueError, match="no column species"):
        column_of(CaptionedFolder.open(tmp_path), "species")


def plain(count=8):
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (count, 3, 16, 16), generator=generator).to(torch.uint8)
    return Material(pictures, [Scene("cat"), "two boats"] * (count // 2), torch.arange(1.0, count + 1))


def test_close_ups_are_details_under_their_own_words():
    enlarged = torch.randint(0, 256, (8, 3, 22, 22)).to(torch.uint8)
    near = details(plain(), enlarged)
    assert near.pictures.shape == (8, 3, 16, 16)
    assert near.scenes[:2] == [Scene("cat", "close"), "two boats, close-up"]
    windows = enlarged[5].unfold(1, 16, 1).unfold(2, 16, 1).permute(1, 2, 0, 3, 4).flatten(0, 1)
    assert any(near.pictures[5].equal(window) for window in windows)


def test_only_scenes_are_rendered_each_in_one_style():
    made = renderings(plain())
    assert sorted(scene.medium for scene in made.scenes) == sorted(STYLES[1:])
    for picture, scene, weight in zip(made.pictures, made.scenes, made.weights, strict=True):
        assert picture.equal(RENDERINGS[scene.medium](plain().pictures[int(weight) - 1][None])[0])


@pytest.mark.parametrize("count", [1, 2, 3, 5, 9, 10])
def test_styles_take_turns_however_many_scenes_there_are(count):
    pictures = torch.zeros(count, 3, 16, 16, dtype=torch.uint8)
    made = renderings(Material(pictures, [Scene("cat")] * count, torch.ones(count)))
    counts = [sum(scene.medium == style for scene in made.scenes) for style in RENDERINGS]
    assert sum(counts) == count and max(counts) - min(counts) <= 1


def test_shares_of_the_draws(tmp_path):
    from PIL import Image

    for k in range(4):
        Image.new("RGB", (20, 20), (60 * k, 0, 0)).save(tmp_path / f"{k}.png")
    lines = [f"{k}.png,a photo of a {'cat' if k else 'dog'}\n" for k in range(4)]
    (tmp_path / "captions.csv").write_text("file,caption\n" + "".join(lines))
    made = gathered(CaptionedFolder.open(tmp_path), 16, None, close_ups=0.2, styles=0.3)
    shares = made.weights / made.weights.sum()
    assert len(made.scenes) == 12
    assert [round(float(part.sum()), 4) for part in shares.split(4)] == [0.5, 0.2, 0.3]
    assert len(gathered(CaptionedFolder.open(tmp_path), 16, None, 0.0, 0.0).scenes) == 4
    (tmp_path / "captions.csv").write_text("file,caption\n0.png,two boats\n")
    assert gathered(CaptionedFolder.open(tmp_path), 16, None, 0.0, 0.3).scenes == ["two boats"]


def test_measured_words_are_those_of_the_picture():
    pictures = flat((40, 70, 170), (250, 250, 250))
    made = described(Material(pictures, [Scene("cat"), "two boats"], torch.ones(2)))
    assert made.scenes == [Scene("cat", "dark", "blue"), "two boats"]
    near = described(Material(pictures, [Scene("cat", "close"), Scene("cat")], torch.ones(2)))
    assert near.scenes == [Scene("cat", "close", "blue"), Scene("cat", "bright", "white")]


def test_a_photograph_that_was_made_smooth_is_blurry():
    photograph = torch.from_numpy(np.array(Image.open(ROOT / "examples/cat.png").convert("RGB"))).permute(2, 0, 1)[None]
    smooth = blurred(photograph.float(), 2.0).round().to(torch.uint8)
    both = torch.cat([photograph, smooth])
    assert blurry(both) == [False, True]
    assert blurry(both.float().mul(0.5).round().to(torch.uint8)) == [False, True]  # less contrast is not blur
    assert [scene.medium for scene in described(Material(both, [Scene("cat")] * 2, torch.ones(2))).scenes] == [
        "photo",
        "blurry",
    ]


def test_the_example_sketch_is_the_example_photograph_as_a_sketch():
    photograph, there = (
        torch.from_numpy(np.array(Image.open(ROOT / f"examples/{name}.png").convert("RGB"))).permute(2, 0, 1)[None]
        for name in ("cat", "cat-sketch")
    )
    assert (RENDERINGS["sketch"](photograph).int() - there.int()).abs().max() <= 1
