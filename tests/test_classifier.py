"""The judge: network, threshold, files; and the augmentation that trains it."""

from dataclasses import replace

import pytest
import torch
from PIL import Image
from torch import Tensor

from zeroshift.classifier import (
    Classifier,
    balanced_accuracy,
    build_classifier,
    choose_threshold,
    load_classifier,
    resized,
    save_classifier,
)
from zeroshift.training import augmentation


@pytest.fixture
def tiny() -> Classifier:
    torch.manual_seed(0)
    return build_classifier((8, 16), (1, 2), size=16)


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


def test_threshold_separates_and_stays_near_a_half() -> None:
    truth = torch.tensor([False, False, False, True, True])
    separable = torch.tensor([0.1, 0.2, 0.6, 0.7, 0.9])
    assert choose_threshold(separable, truth) == pytest.approx(0.65)
    assert choose_threshold(torch.tensor([0.1, 0.2, 0.3, 0.7, 0.9]), truth) == 0.5
    # One cat looks like a dog: losing it costs a third of a recall, losing a dog a half.
    mistaken = choose_threshold(torch.tensor([0.1, 0.2, 0.8, 0.7, 0.9]), truth)
    assert balanced_accuracy(torch.tensor([0.1, 0.2, 0.8, 0.7, 0.9]) >= mistaken, truth) == pytest.approx(5 / 6)


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
    target = torch.tensor([0.0, 1.0]).repeat(8)
    x = target[:, None, None, None].expand(16, 3, 16, 16)  # the colour is the class
    kinds = set()
    for _ in range(12):
        y, mixed = augmentation.mixed(x, target)
        torch.testing.assert_close(y.mean((1, 2, 3)), mixed, rtol=0, atol=1e-6)
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


@pytest.mark.filterwarnings("ignore:Checkpoint directory", "ignore:.*LeafSpec", "ignore:.*does not have many workers")
def test_a_tiny_classifier_learns_colours(tmp_path) -> None:
    """The real stage and loop: reddish cats, bluish dogs."""
    pytest.importorskip("lightning")
    from zeroshift.training.classifier import ClassifierStage
    from zeroshift.training.loop import StageOptions, fit

    torch.manual_seed(0)
    truth = torch.arange(40) % 2 == 1
    pictures = torch.randint(0, 80, (40, 3, 32, 32), dtype=torch.uint8)
    pictures[~truth, 0] += 150
    pictures[truth, 2] += 150
    classifier = build_classifier((8, 16), (1, 1), size=32)
    options = StageOptions(steps=60, batch=16, lr=5e-3, ema=0.8, warmup=5)
    stage = ClassifierStage(classifier, pictures, truth, (pictures, truth), options)
    fit(stage, torch.ones(40), options, tmp_path, 0, "fp32")
    classifier.network.eval()
    assert balanced_accuracy(classifier.probabilities(pictures) >= 0.5, truth) > 0.95


@pytest.mark.parametrize("held_out", [(), ("val", "test")])
def test_the_command_trains_and_measures_the_splits_that_are_there(tmp_path, capsys, held_out) -> None:
    pytest.importorskip("lightning")
    from zeroshift.training.classifier import SIZE, main

    lines = ["file,caption,split,species"]
    for split in ("train", *held_out):
        for k, species in enumerate(("cat", "dog", "cat", "dog")):
            name = f"{split}-{k}.png"
            Image.new("RGB", (24, 24), "red" if species == "cat" else "blue").save(tmp_path / name)
            lines.append(f"{name},a photo of a {species},{split},{species}")
    (tmp_path / "captions.csv").write_text("\n".join(lines))
    main([str(tmp_path), str(tmp_path / "judge"), "--run", str(tmp_path / "run"), "--steps", "1"])
    trained = load_classifier(tmp_path / "judge")
    assert trained.size == SIZE
    assert set(trained.figures) == {f"{split}_balanced_accuracy" for split in held_out}
    assert all(f"{name} {value:.4f}" in capsys.readouterr().out for name, value in list(trained.figures.items())[:1])
    assert held_out or trained.threshold == 0.5


def test_the_command_refuses_a_folder_without_dogs(tmp_path) -> None:
    pytest.importorskip("lightning")
    from zeroshift.training.classifier import main

    (tmp_path / "captions.csv").write_text("file,caption,species\na.png,a photo of a cat,cat\n")
    with pytest.raises(SystemExit, match="needs pictures of a cat and of a dog in train"):
        main([str(tmp_path), str(tmp_path / "judge")])
    with pytest.raises(SystemExit, match="--minutes of the classifier"):
        main([str(tmp_path), str(tmp_path / "judge"), "--minutes", "0"])
