"""The judge: network, threshold, files; and the augmentation that trains it."""

import json
from dataclasses import replace

import pytest
import torch
from PIL import Image
from torch import Tensor

from zeroshift.classifier import (
    Classifier,
    balanced_accuracy,
    build_classifier,
    coat_accuracy,
    load_classifier,
    resized,
    save_classifier,
    start_from,
    style_accuracy,
)
from zeroshift.data import CaptionedPicture
from zeroshift.renderings import RENDERINGS
from zeroshift.training import augmentation
from zeroshift.vocabulary import STYLES

COATS = ("black", "orange", "white")


@pytest.fixture
def tiny() -> Classifier:
    torch.manual_seed(0)
    return build_classifier((8, 16), (1, 2), size=16, coats=COATS, styles=STYLES)


@pytest.fixture
def pictures() -> Tensor:
    return torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_probabilities_do_not_depend_on_the_batch(tiny: Classifier, pictures: Tensor) -> None:
    together = tiny.probabilities(pictures)
    alone = torch.cat([tiny.probabilities(p[None]) for p in pictures])
    assert together.shape == (5,)
    assert together.std() > 1e-4
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)  # other kernels for other batch sizes


def test_a_mirrored_picture_has_the_same_probability(tiny: Classifier, pictures: Tensor) -> None:
    torch.testing.assert_close(tiny.probabilities(pictures), tiny.probabilities(pictures.flip(-1)), rtol=0, atol=1e-6)


def test_a_saved_classifier_is_read_back(tiny: Classifier, pictures: Tensor, tmp_path) -> None:
    tiny.network.half().float()  # files hold half precision
    saved = replace(tiny, threshold=0.37, figures={"test": 0.5})
    save_classifier(saved, tmp_path)
    loaded = load_classifier(tmp_path)
    assert replace(loaded, network=saved.network) == saved
    assert torch.equal(loaded.probabilities(pictures), saved.probabilities(pictures))
    assert loaded.coat_labels(pictures) == saved.coat_labels(pictures)
    assert loaded.style_labels(pictures) == saved.style_labels(pictures)
    assert (tmp_path / "model.safetensors").stat().st_size < 2.2 * sum(
        p.numel() for p in tiny.network.parameters()
    ) + 8000


def test_a_folder_without_weights_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"has no config\.json; give a folder"):
        load_classifier(tmp_path)


def test_labels_follow_the_threshold(tiny: Classifier, pictures: Tensor) -> None:
    values = tiny.probabilities(pictures)
    middle = float(values.sort().values[2])
    labels = replace(tiny, threshold=middle).labels(pictures)
    assert labels == ["dog" if v >= middle else "cat" for v in values.tolist()]
    assert labels.count("dog") == 3


def test_coats_are_the_largest_mean_logit_of_a_picture_and_its_mirror(tiny: Classifier, pictures: Tensor) -> None:
    x = pictures.float() / 127.5 - 1
    with torch.no_grad():
        logits = [tiny.network.coat_head(tiny.network.features(y)) for y in (x, x.flip(-1))]
    expected = [COATS[k] for k in (logits[0] + logits[1]).argmax(1).tolist()]
    assert tiny.coat_labels(pictures) == expected == tiny.coat_labels(pictures.flip(-1))
    assert coat_accuracy(tiny, pictures, [*expected[:4], "calico"]) == 0.8
    with pytest.raises(ValueError, match="tells no coats apart"):
        build_classifier((8, 16), (1, 2), size=16).coat_labels(pictures)


def test_styles_are_the_largest_mean_logit_of_a_picture_and_its_mirror(tiny: Classifier, pictures: Tensor) -> None:
    x = pictures.float() / 127.5 - 1
    with torch.no_grad():
        logits = [tiny.network.style_head(tiny.network.levels(y)) for y in (x, x.flip(-1))]
    expected = [STYLES[k] for k in (logits[0] + logits[1]).argmax(1).tolist()]
    assert tiny.style_labels(pictures, batch=2) == expected
    for style in STYLES:
        assert style_accuracy(tiny, pictures, style) == expected.count(style) / 5
    with pytest.raises(ValueError, match="tells no styles apart"):
        build_classifier((8, 16), (1, 2), size=16).style_labels(pictures)


def test_the_last_features_are_what_the_first_heads_read(tiny: Classifier, pictures: Tensor) -> None:
    features = tiny.features(pictures, batch=2)
    assert features.shape == (5, 16)
    with torch.no_grad():
        direct = tiny.network(pictures.float() / 127.5 - 1)
        torch.testing.assert_close(tiny.network.head(features)[:, 0], direct, rtol=0, atol=1e-5)


@torch.no_grad()
def test_levels_are_the_pooled_stem_and_the_end_of_every_level(tiny: Classifier, pictures: Tensor) -> None:
    network, x = tiny.network, pictures.float() / 127.5 - 1
    stem = network.norm(network.stem(x)).clamp(min=0)
    first = network.body[0](stem)
    last = network.body[2](network.body[1](first))
    expected = torch.cat([level.mean((2, 3)) for level in (stem, first, last)], 1)
    torch.testing.assert_close(network.levels(x), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(network.features(x), expected[:, 16:], rtol=0, atol=1e-6)


def test_a_network_without_coats_and_styles_is_the_file_format_of_before(pictures: Tensor, tmp_path) -> None:
    save_classifier(build_classifier((8, 16), (1, 2), size=16), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["coats"], config["styles"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    loaded = load_classifier(tmp_path)
    assert loaded.coats == loaded.styles == ()
    assert loaded.network.coat_head is None and loaded.network.style_head is None
    assert loaded.probabilities(pictures).shape == (5,)


def test_training_starts_from_a_network_with_or_without_the_coats(tiny: Classifier, pictures: Tensor) -> None:
    torch.manual_seed(1)
    for coats, styles in ((COATS, STYLES), (COATS, ()), (COATS[:2], STYLES), ((), STYLES[:2]), ((), ())):
        fresh = build_classifier((8, 16), (1, 2), size=16, coats=COATS, styles=STYLES)
        trained = build_classifier((8, 16), (1, 2), size=16, coats=coats, styles=styles)
        before = [head.weight.clone() for head in (fresh.network.coat_head, fresh.network.style_head[1])]
        start_from(fresh, trained)
        assert torch.equal(fresh.probabilities(pictures), trained.probabilities(pictures))
        assert torch.equal(fresh.network.coat_head.weight, before[0]) is (coats != COATS)
        assert torch.equal(fresh.network.style_head[1].weight, before[1]) is (styles != STYLES)
    with pytest.raises(ValueError, match="start afresh"):
        start_from(tiny, build_classifier((8, 16), (1, 1)))


def test_balanced_accuracy_is_the_mean_recall() -> None:
    truth = torch.tensor([True] * 9 + [False])
    assert balanced_accuracy(torch.ones(10, dtype=torch.bool), truth) == 0.5
    with pytest.raises(ValueError, match="both classes"):
        balanced_accuracy(truth, torch.ones(10, dtype=torch.bool))


def test_resizing_keeps_flat_pictures_and_averages_fine_checks() -> None:
    flat = torch.full((1, 3, 40, 40), 77, dtype=torch.uint8)
    torch.testing.assert_close(resized(flat, 16), torch.full((1, 3, 16, 16), 77.0), rtol=0, atol=1e-3)
    check = (torch.arange(64)[:, None] + torch.arange(64)) % 2 * 255
    smooth = resized(check.to(torch.uint8).expand(1, 3, 64, 64), 16)
    assert (smooth[..., 2:-2, 2:-2] - 127.5).abs().max() < 4  # without antialiasing it would be 0 or 255


def test_crops_without_freedom_are_the_picture_or_its_mirror() -> None:
    torch.manual_seed(0)
    x = torch.rand(16, 3, 12, 12)
    y = augmentation.cropped(x, 12, area=(1.0, 1.0), stretch=0.0, degrees=0.0)
    straight = (y - x).abs().amax((1, 2, 3)) < 1e-5
    mirrored = (y - x.flip(-1)).abs().amax((1, 2, 3)) < 1e-5
    assert (straight | mirrored).all()
    assert straight.any() and mirrored.any()


def test_mixing_keeps_targets_in_step_with_pixels() -> None:
    torch.manual_seed(0)
    grey = torch.tensor([0.0, 1.0]).repeat(8)
    target = torch.stack([grey, 1 - grey], 1)
    x = grey[:, None, None, None].expand(16, 3, 16, 16)  # the colour is the class
    kinds = set()
    for _ in range(12):
        y, mixed = augmentation.mixed(x, target)
        torch.testing.assert_close(y.mean((1, 2, 3)), mixed[:, 0], rtol=0, atol=1e-6)
        torch.testing.assert_close(mixed.sum(1), torch.ones(16), rtol=0, atol=1e-6)
        kinds.add("none" if torch.equal(y, x) else "cutmix" if ((y == 0) | (y == 1)).all() else "mixup")
    assert kinds == {"none", "mixup", "cutmix"}


def test_rectangles_have_about_the_area_asked_for() -> None:
    torch.manual_seed(0)
    masks = augmentation.rectangles(torch.full((200,), 0.2), 64, 64)
    assert masks.shape == (200, 1, 64, 64)
    torch.testing.assert_close(masks.float().mean((1, 2, 3)), torch.full((200,), 0.2), rtol=0.1, atol=0)


def test_erasing_covers_a_share_of_the_pictures_with_flat_rectangles() -> None:
    torch.manual_seed(0)
    x = torch.zeros(400, 3, 16, 16)
    y = augmentation.erased(x, share=0.5)
    touched = (y != x).any(1)
    assert 0.4 < touched.any((1, 2)).float().mean() < 0.6
    assert all(
        picture[:, mask].unique(dim=1).shape[1] == 1 for picture, mask in zip(y, touched, strict=True) if mask.any()
    )
    assert torch.equal(augmentation.erased(x, share=0.0), x)


def test_augmented_pictures_differ_and_stay_in_range() -> None:
    torch.manual_seed(0)
    pictures = torch.randint(0, 256, (8, 3, 24, 24), dtype=torch.uint8)
    x = augmentation.augmented(pictures, 16)
    assert x.shape == (8, 3, 16, 16)
    assert x.abs().max() < 2
    assert (x - augmentation.augmented(pictures, 16)).abs().mean() > 0.05


def test_the_strength_of_colour_changes_is_each_pictures_own() -> None:
    torch.manual_seed(0)
    x = torch.rand(300, 3, 8, 8) - 0.5
    y = augmentation.recoloured(x, torch.tensor([0.0, 0.3, 1.0]).repeat(100))
    changes = (y - x).abs().mean((1, 2, 3)).view(100, 3).mean(0)
    torch.testing.assert_close(y[::3], x[::3], rtol=0, atol=1e-6)
    assert 0 < changes[1] < 0.4 * changes[2]


@pytest.mark.filterwarnings("ignore:Checkpoint directory", "ignore:.*LeafSpec", "ignore:.*does not have many workers")
def test_a_tiny_classifier_learns_classes_and_coats(tmp_path) -> None:
    """The real stage and loop: reddish cats, bluish dogs; coats are dark or bright, and not known of every picture."""
    pytest.importorskip("lightning")
    from zeroshift.training.classifier import ClassifierStage, Material, soft_coats
    from zeroshift.training.loop import StageOptions, fit

    torch.manual_seed(0)
    truth, bright = torch.arange(40) % 2 == 1, torch.arange(40) // 2 % 2 == 1
    coats = [("black", "white")[int(b)] for b in bright]
    pictures = torch.randint(0, 30, (40, 3, 32, 32), dtype=torch.uint8)
    pictures[~truth, 0] += 100
    pictures[truth, 2] += 100
    pictures[bright] += 120
    rows = [CaptionedPicture("", "", "train", {"coat": coat if k % 3 else ""}) for k, coat in enumerate(coats)]
    classifier = build_classifier((8, 16), (1, 1), size=32, coats=("black", "white"))
    options = StageOptions(steps=60, batch=16, lr=5e-3, ema=0.8, warmup=5)
    material = Material(pictures, truth, soft_coats(rows, classifier.coats))
    stage = ClassifierStage(classifier, material, (pictures, truth), options)
    fit(stage, torch.ones(40), options, tmp_path, 0, "fp32")
    classifier.network.eval()
    assert balanced_accuracy(classifier.probabilities(pictures) >= 0.5, truth) > 0.95
    assert coat_accuracy(classifier, pictures, coats) > 0.95


def test_soft_coats_are_weighted_by_the_root_of_their_rarity() -> None:
    pytest.importorskip("lightning")
    from zeroshift.training.classifier import SMOOTHING, soft_coats

    named = ["black"] * 4 + ["white", "", "green"]
    rows = [CaptionedPicture("", "", "train", {"coat": coat}) for coat in named]
    soft = soft_coats(rows, ("black", "white"))
    high, low = 1 - SMOOTHING / 2, SMOOTHING / 2
    torch.testing.assert_close(soft[:4], torch.tensor([[high, low]]).expand(4, 2) / 2)
    torch.testing.assert_close(soft[4], torch.tensor([low, high]))
    assert not soft[5:].any()
    assert soft_coats(rows, ()).shape == (7, 0)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_only_gently_coloured_photographs_teach_coats_and_all_gently_coloured_ones_styles(share: float) -> None:
    pytest.importorskip("lightning")
    from zeroshift.training.classifier import ClassifierStage, Material
    from zeroshift.training.loop import StageOptions

    torch.manual_seed(0)
    pictures = torch.randint(0, 256, (200, 3, 32, 32), dtype=torch.uint8)
    material = Material(pictures, torch.zeros(200, dtype=torch.bool), torch.ones(200, 3), share)
    classifier = build_classifier((8,), (1,), coats=COATS, styles=STYLES if share else ())
    stage = ClassifierStage(classifier, material, None, StageOptions())
    batches = [stage.batch(torch.arange(200), 16) for _ in range(20)]
    coats, styles = (torch.stack([batch[k].sum(0) for batch in batches]).mean(0) / 200 for k in (2, 3))
    assert 0.9 * (1 - share) / 2 < coats.mean() < 1.1 * (1 - share) / 2
    assert styles.shape == (len(classifier.styles),)
    if share:
        # half of the batch is gently changed; of that, half are photographs, weighted by the root of 2, and the others
        # by the root of 8; a tenth of each is smoothed to all five
        expected = 0.5 * torch.tensor([0.5 * 2**0.5, *[0.125 * 8**0.5] * 4])
        expected = expected * 0.9 + expected.sum() * 0.02
        torch.testing.assert_close(styles, expected, rtol=0.1, atol=0)


def test_a_share_of_the_batch_is_rendered() -> None:
    pytest.importorskip("lightning")
    from zeroshift.training.classifier import rendered

    torch.manual_seed(0)
    pictures = torch.randint(0, 256, (400, 3, 16, 16), dtype=torch.uint8)
    before = pictures.clone()
    made, style = rendered(pictures, 0.25)
    assert torch.equal(pictures, before)
    for k, name in enumerate(STYLES):
        own = pictures[style == k]
        assert 270 < len(own) < 330 if k == 0 else 10 < len(own) < 45
        assert torch.equal(made[style == k], RENDERINGS[name](own) if k else own)
    assert not rendered(pictures, 0.0)[1].any()


@pytest.mark.parametrize("coated", [False, True])
@pytest.mark.parametrize("held_out", [(), ("val", "test")])
def test_the_command_trains_and_measures_the_splits_that_are_there(
    tmp_path, capsys, monkeypatch, held_out, coated
) -> None:
    pytest.importorskip("lightning")
    from zeroshift.training import classifier

    monkeypatch.setattr(classifier, "MINIMUM", 2)
    lines = ["file,caption,split,species" + ",coat,coat_label" * coated]
    for split in ("train", *held_out):
        for k, species in enumerate(("cat", "dog", "cat", "dog")):
            name = f"{split}-{k}.png"
            Image.new("RGB", (24, 24), "red" if species == "cat" else "blue").save(tmp_path / name)
            labels = f",{'black' if species == 'cat' else 'tan'},{('hand', 'auto')[k % 2]}" * coated
            lines.append(f"{name},a photo of a {species},{split},{species}{labels}")
    (tmp_path / "captions.csv").write_text("\n".join(lines))
    few = ("--run", str(tmp_path / "run"), "--steps", "1", "--styles", "0.5" if coated else "0")
    classifier.main([str(tmp_path), str(tmp_path / "judge"), *few])
    trained = load_classifier(tmp_path / "judge")
    assert trained.size == classifier.SIZE
    assert trained.coats == (("black", "tan") if coated else ())
    assert trained.styles == (STYLES if coated else ())
    names = ["balanced_accuracy"]
    if coated:
        names += ["coat_accuracy", "coat_accuracy_all_labels", "style_accuracy", "renderings_balanced_accuracy"]
    assert set(trained.figures) == {f"{split}_{name}" for split in held_out for name in names}
    out = capsys.readouterr().out
    assert all(f"{name} {value:.4f}" in out for name, value in trained.figures.items())


def test_the_command_refuses_a_folder_without_dogs(tmp_path) -> None:
    pytest.importorskip("lightning")
    from zeroshift.training.classifier import main

    (tmp_path / "captions.csv").write_text("file,caption,species\na.png,a photo of a cat,cat\n")
    with pytest.raises(SystemExit, match="needs pictures of a cat and of a dog in train"):
        main([str(tmp_path), str(tmp_path / "judge")])
    with pytest.raises(SystemExit, match="--styles, must be from 0 to below 1, not 1"):
        main([str(tmp_path), str(tmp_path / "judge"), "--styles", "1"])
    with pytest.raises(SystemExit, match="--minutes of the classifier"):
        main([str(tmp_path), str(tmp_path / "judge"), "--minutes", "0"])
