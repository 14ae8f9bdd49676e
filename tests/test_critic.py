"""The model's own critic: how it scores pictures, what it is read from, and the kinds that are tried by it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import zeroshift
from tests.test_second_tries import Kinds, Likes, trying
from tests.test_segmenter import spread
from tests.tiny import tiny_checkpoint
from zeroshift import EditSpec
from zeroshift.backbones.checkpoint import SHIPPED
from zeroshift.editor import Editor
from zeroshift.image import save_image
from zeroshift.loading import own_captioner
from zeroshift.miniature.critic import TrainedCritic, load_critic, save_critic, seen, segmenter_sha256
from zeroshift.miniature.critic_network import GRIDS, WIDTH, CriticNetwork, areas
from zeroshift.miniature.data.breeds import animal_of
from zeroshift.miniature.reading import kinds
from zeroshift.miniature.segmenter import TrainedSegmenter, load_segmenter, save_segmenter
from zeroshift.miniature.segmenter_network import SIDE
from zeroshift.miniature.vocabulary import KINDS
from zeroshift.ui.running import as_made
from zeroshift.words import read_known_words, words_of

FEW = {"source": "cat", "target": "dog", "method": "ddim", "options": {"steps": 2}, "fit": "stretch"}


def noise(seed: int, width: int = 40, height: int = 40) -> Image.Image:
    """A picture of noise that is darker on the right."""
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    pixels[:, width // 2 :] //= 4
    return Image.fromarray(pixels)


def sighted() -> TrainedSegmenter:
    """A random segmenter that finds an animal everywhere, and whose trunk sees differences at all levels."""
    by = spread()
    for layer in by.network.trunk.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight)
    by.network.out.bias += 1e4
    return by


@pytest.fixture(scope="module")
def segmenter() -> TrainedSegmenter:
    return sighted()


def judging(by: TrainedSegmenter) -> TrainedCritic:
    """A random critic whose scores of noise lie around 2, some tenths apart."""
    torch.manual_seed(5)
    network, trunk = CriticNetwork().requires_grad_(False), by.network.trunk
    numbers = areas(seen(trunk, torch.rand(8, 3, SIDE, SIDE) * 2 - 1))
    network.mean.copy_(numbers.mean(0))
    network.scale.copy_(numbers.std(0) + 1e-3)
    network.out.weight.normal_(std=0.1 / WIDTH**0.5)
    network.out.bias.fill_(2)
    return TrainedCritic(trunk, network, by.animals, 2.5, 0.1, trained_on="noise", figures={"pairs": 0.5})


@pytest.fixture(scope="module")
def critic(segmenter: TrainedSegmenter) -> TrainedCritic:
    return judging(segmenter)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, segmenter: TrainedSegmenter) -> Path:
    """A tiny checkpoint that has a segmenter and a critic."""
    root: Path = tiny_checkpoint(tmp_path_factory.mktemp("own") / "tiny")
    save_segmenter(segmenter, root / "segmenter")
    by = load_segmenter(root / "segmenter")
    save_critic(replace(judging(by), segmenter_sha256=segmenter_sha256(root)), root / "critic")
    return root


def mean_of(one: np.ndarray, row: int, column: int, side: int) -> float:
    """The mean of one area of a map (h, w) that is divided into ``side`` areas a side, which may overlap."""
    (top, bottom), (left, right) = (
        (n * size // side, -(-(n + 1) * size // side)) for n, size in ((row, one.shape[0]), (column, one.shape[1]))
    )
    return float(one[top:bottom, left:right].mean())


def test_a_score_is_the_weighted_sum_of_standardised_means_of_areas():
    torch.manual_seed(0)
    maps = [torch.randn(2, channels, *size) for channels, size in ((1, (5, 5)),) * 3 + ((112, (13, 12)), (192, (6, 7)))]
    network = CriticNetwork().requires_grad_(False)
    network.mean.normal_()
    network.scale.uniform_(0.5, 2)
    mean, scale, weights = (x.double().numpy().ravel() for x in (network.mean, network.scale, network.out.weight))
    assert GRIDS == {3: 6, 4: 3} and WIDTH == 112 * 36 + 192 * 9
    for n, found in enumerate(network(maps).tolist()):
        numbers = [
            mean_of(one, row, column, side)
            for level, side in ((3, 6), (4, 3))
            for one in maps[level][n].double().numpy()
            for row in range(side)
            for column in range(side)
        ]
        assert found == pytest.approx(weights @ ((numbers - mean) / scale) + float(network.out.bias), abs=1e-4)


def test_the_score_of_a_picture_is_of_it_and_its_mirror_image(critic):
    picture = noise(0, SIDE, SIDE)
    x = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None] / 127.5 - 1
    each = [float(critic.network(critic.trunk(way))) for way in (x, x.flip(-1))]
    assert abs(each[0] - each[1]) > 1e-3
    found = critic.scores([picture, picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)])
    assert found == pytest.approx([sum(each) / 2] * 2, abs=1e-4)


def test_a_picture_has_the_same_score_whatever_is_beside_it(critic):
    pictures = [noise(1), noise(2, 60, 32), noise(3, 17, 200)]
    found = critic.scores(pictures)
    assert found == [critic.scores([one])[0] for one in pictures] and len(set(found)) == 3
    assert critic.scores(pictures[::-1]) == found[::-1] and critic.scores([]) == []


@pytest.mark.parametrize(("middle", "score"), [(-50.0, 0.0), (50.0, 4.0)])
def test_scores_lie_between_broken_and_natural(segmenter, middle, score):
    extreme = judging(segmenter)
    assert 0 < extreme.scores([noise(0)])[0] < 4
    extreme.network.out.bias.fill_(middle)
    assert extreme.scores([noise(0)]) == [score]


@pytest.mark.parametrize(
    ("prompt", "known"),
    [("a photo of a dog", True), ("a photo of cats", True), ("a sketch of a dog", False), ("a photo of a fox", False)],
)
def test_it_knows_photographs_of_the_segmenters_animals(critic, prompt, known):
    assert critic.knows(prompt) is known


def test_what_is_saved_is_read_again(folder, segmenter):
    after, before = load_critic(folder), judging(load_segmenter(folder / "segmenter"))
    for name in ("animals", "enough", "better_by", "trained_on", "figures"):
        assert getattr(after, name) == getattr(before, name)
    assert after.segmenter_sha256 == segmenter_sha256(folder)
    pictures = [noise(n) for n in range(3)]
    found = after.scores(pictures)
    assert found == pytest.approx(before.scores(pictures), abs=0.02) and np.ptp(found) > 0.02  # half precision


def lacking(root: Path) -> None:
    (root / "critic/model.safetensors").unlink()


def torn(root: Path) -> None:
    path = root / "critic/model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def nan(name: str):
    def harm(root: Path) -> None:
        path = root / "critic/model.safetensors"
        weights = load_file(path)
        weights[name].view(-1)[-1] = float("nan")
        save_file(weights, path)

    return harm


def without_a_number(root: Path) -> None:
    path = root / "critic/config.json"
    known = json.loads(path.read_text())
    del known["enough"]
    path.write_text(json.dumps(known))


def of_another(root: Path) -> None:
    other = sighted()
    other.network.out.bias /= 2
    save_segmenter(other, root / "segmenter")


def alone(root: Path) -> None:
    shutil.rmtree(root / "segmenter")


NONE = "^The critic in .*critic cannot be made of config.json and model.safetensors"


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lacking, "critic has no model.safetensors; give a folder that the critic's trainer wrote"),
        (torn, NONE),
        (nan("mean"), rf"{NONE} \(a weight is not a number\)"),
        (nan("out.weight"), rf"{NONE} \(a weight is not a number\)"),
        (without_a_number, f"{NONE} .*enough"),
        (of_another, rf"{NONE} \(it was trained with another segmenter\); get it anew."),
        (alone, "segmenter is no folder; give one that the segmenter's trainer wrote"),
    ],
)
def test_what_cannot_be_read_is_told_at_the_first_picture(folder, tmp_path, harm, said):
    broken = shutil.copytree(folder, tmp_path / "broken")
    harm(broken)
    own = zeroshift.load(broken, device="cpu", precision="fp32").critic
    asked = (
        lambda: load_critic(broken),
        lambda: own.knows("a photo of a dog"),
        lambda: own.scores([noise(0)]),
        lambda: (own.enough, own.better_by),
    )
    for ask in asked:
        with pytest.raises(ValueError, match=said) as told:
            ask()
        assert "\n" not in str(told.value)
    assert str(told.value).endswith(" Or do without second tries (`second_try` off).")


def test_a_model_has_the_critic_of_its_folder(folder, tmp_path):
    own = zeroshift.load(folder, device="cpu", precision="fp32").critic
    assert own.scores([noise(0)]) == load_critic(folder).scores([noise(0)])
    assert (own.enough, own.better_by, own.knows("a photo of a cat")) == (2.5, 0.1, True)
    bare = shutil.copytree(folder, tmp_path / "bare")
    shutil.rmtree(bare / "critic")
    assert zeroshift.load(bare, device="cpu", precision="fp32").critic is None


def test_who_does_without_second_tries_needs_no_critic(folder, tmp_path):
    broken = shutil.copytree(folder, tmp_path / "broken")
    torn(broken)
    editor = zeroshift.load(broken, device="cpu", precision="fp32")
    taken, asked = noise(0, 32, 32), {**FEW, "mask": "grown", "second_try": False}
    plain = zeroshift.load(folder, device="cpu", precision="fp32").edit(taken, EditSpec(**asked))
    assert editor.edit(taken, EditSpec(**asked)).image.tobytes() == plain.image.tobytes()


@pytest.mark.parametrize("target", ["dog", "a dog", "Dog", " the dog "])
def test_the_bare_name_of_an_animal_has_kinds(target):
    assert kinds(target) == own_captioner(SHIPPED).kinds(target) == KINDS["dog"] != ()


@pytest.mark.parametrize(
    "target", ["golden retriever", "black dog", "dog on a red background", "a photo of a dog", "puppy", "night", "cats"]
)
def test_who_says_which_has_no_other_kinds(target):
    assert kinds(target) == ()


def test_every_kind_is_of_its_animal_and_known():
    known = read_known_words(SHIPPED).words
    for animal, every in KINDS.items():
        assert len({*every}) == len(every) and animal not in every
        for kind in every:
            assert animal_of(kind) == animal and {*words_of(kind)} <= {*known}, kind


COATS = ("brown", "tabby")
"""of the kinds that are known here"""


def varying(tiny, *clear: float) -> Editor:
    return replace(trying(tiny), captioner=Kinds(*clear), critic=Likes())


def test_kinds_stand_in_the_targets_place(tiny):
    request = EditSpec(target="dog", source="cat", prompt="a photo of a cat in the grass").resolve(varying(tiny))
    assert [kind.target_prompt for kind in request.kinds] == [f"a photo of a {coat} dog in the grass" for coat in COATS]
    assert {kind.source_prompt for kind in request.kinds} == {request.task.source_prompt}
    captioned = EditSpec(target="dog").resolve(varying(tiny), "a photo of a cat")
    assert [kind.target_prompt for kind in captioned.kinds] == [f"a photo of a {coat} dog" for coat in COATS]


@pytest.mark.parametrize(
    "asked",
    [
        {"second_try": False},
        {"method": "ddim"},
        {"options": {"steps": 2}},
        {"paper_defaults": True},
        {"mask": "auto"},
        {"region": "none"},
        {"target": "brown dog"},
        {"target": "a photo of a dog"},
    ],
)
def test_kinds_are_tried_where_second_tries_are_allowed(tiny, asked):
    spec, editor = EditSpec(target="dog", source="cat"), varying(tiny)
    assert spec.resolve(editor).kinds and spec.resolve(editor).nearer
    assert spec.model_copy(update=asked).resolve(editor).kinds == ()
    assert spec.resolve(editor, photograph=False).kinds == ()


@pytest.mark.parametrize("asked", [{}, {"second_try": False}, {"method": "ddim"}])
def test_what_is_a_kind_already_can_be_made_the_animal(tiny, asked):
    """A brown dog becomes any dog: of the kinds it is none that is left to be tried."""
    request = EditSpec(target="dog", source="brown dog", **asked).resolve(varying(tiny))
    assert request.task.words == ("brown dog", "dog")
    assert [kind.target for kind in request.kinds] == ([] if asked else ["tabby dog"])


def test_without_a_critic_nothing_says_that_a_kind_looks_better(tiny):
    editor, taken = replace(varying(tiny, 1.5, 1.0, 1.9, 1.5), critic=None), noise(0, 80, 80)
    result = editor.edit(taken, "cat", "dog")
    assert result.recipe["target"] == "dog" and "looks better" not in (result.note or "")


def test_kinds_share_the_inversion_of_what_is_asked_for():
    """A brown spaniel loses its coat for a dog, and keeps it for another spaniel."""
    spec, own = EditSpec(target="dog"), own_captioner(SHIPPED)
    found = spec.kinds(own, "a photo of a brown spaniel")
    assert [(kind.source_prompt, kind.target) for kind in found] == [("a photo of a spaniel", "english springer")]


def test_of_a_batch_those_get_a_kind_that_do_not_look_good(tiny):
    """Both kinds of the second picture alone are tried, and none from nearer, for the one that is taken is enough."""
    editor = replace(varying(tiny, 9, 9, 9, 9, 9), critic=Likes(3.2, 1, 3.5, 2, 3.4))
    results = editor.edit([noise(n, 80, 80) for n in range(3)], "cat", "dog")
    assert editor.critic.left == [] and editor.captioner.clarities == []
    assert [one.recipe["target"] for one in results] == ["dog", "tabby dog", "dog"]
    assert [one.note is None for one in results] == [True, False, True]


def test_the_shipped_one_likes_the_example_cat_better_than_what_is_broken():
    own = zeroshift.load(device="cpu").critic
    picture = Image.open(Path(__file__).parent.parent / "examples/cat.png").convert("RGB").crop((75, 0, 375, 300))
    broken = picture.resize((12, 12), Image.Resampling.BOX).resize((300, 300), Image.Resampling.NEAREST)
    good, bad = own.scores([picture, broken])
    assert 4 >= good > bad + own.better_by and bad >= 0
    assert own.knows("a photo of a cat") and all(own.knows(f"a photo of a {kind}") for kind in KINDS["dog"])
    assert not own.knows("a sketch of a cat") and 0 < own.enough < 4


def test_on_the_page_another_intensity_is_of_the_kind_that_is_shown(tiny, tmp_path):
    vocabulary = varying(tiny).vocabulary
    for shown, wanted in (("tabby dog", "tabby dog"), ("dog", "dog"), ("fox", "dog")):
        save_image(noise(0, 32, 32), tmp_path / f"{shown}.png", recipe={"target": shown})
        made = SimpleNamespace(spec=EditSpec(target="dog", seed=3), file=tmp_path / f"{shown}.png")
        assert as_made(made, vocabulary) == EditSpec(target=wanted, seed=3)
