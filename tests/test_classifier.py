"""The judge: network, threshold, files; and the augmentation that trains it."""

import json
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from zeroshift.miniature.classifier import (
    Classifier,
    build_classifier,
    load_classifier,
    resized,
    save_classifier,
    start_from,
)
from zeroshift.miniature.quality.accuracy import balanced_accuracy, choose_threshold, coat_accuracy
from zeroshift.miniature.training import augmentation
from zeroshift.miniature.vocabulary import STYLES

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
    assert torch.equal(loaded.logits(pictures)[2], saved.logits(pictures)[2])
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


def test_styles_have_the_mean_logits_of_a_picture_and_its_mirror(tiny: Classifier, pictures: Tensor) -> None:
    x = pictures.float() / 127.5 - 1
    with torch.no_grad():
        logits = [tiny.network.style_head(tiny.network.levels(y)) for y in (x, x.flip(-1))]
    torch.testing.assert_close(tiny.logits(pictures, batch=2)[2], (logits[0] + logits[1]) / 2, rtol=0, atol=1e-5)
    assert build_classifier((8, 16), (1, 2), size=16).logits(pictures)[2].shape == (5, 0)


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


def test_threshold_separates_and_stays_near_a_half() -> None:
    truth = torch.tensor([False, False, False, True, True])
    separable = torch.tensor([0.1, 0.2, 0.6, 0.7, 0.9])
    assert choose_threshold(separable, truth) == pytest.approx(0.65)
    assert choose_threshold(torch.tensor([0.1, 0.2, 0.3, 0.7, 0.9]), truth) == 0.5
    # one cat looks like a dog: losing it costs a third of a recall, losing a dog a half
    mistaken = choose_threshold(torch.tensor([0.1, 0.2, 0.8, 0.7, 0.9]), truth)
    assert balanced_accuracy(torch.tensor([0.1, 0.2, 0.8, 0.7, 0.9]) >= mistaken, truth) == pytest.approx(5 / 6)


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
