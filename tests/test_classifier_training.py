"""The judge's trainer: what teaches which head, and the command."""

import pytest
import torch
from PIL import Image

from zeroshift.accuracy import balanced_accuracy, choose_threshold, coat_accuracy
from zeroshift.classifier import (
    build_classifier,
    load_classifier,
)
from zeroshift.data import CaptionedFolder, CaptionedPicture, labelled
from zeroshift.renderings import RENDERINGS
from zeroshift.vocabulary import STYLES

COATS = ("black", "orange", "white")


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
    chosen = 0.5
    if held_out:
        shown, truth = labelled(CaptionedFolder.open(tmp_path), ("val",), trained.size)
        chosen = choose_threshold(trained.probabilities(shown), truth)
    assert trained.threshold == chosen
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
