"""The judge's trainer: what teaches which head, and the command."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from PIL import Image

from zeroshift.miniature.classifier import build_classifier, load_classifier
from zeroshift.miniature.data import CaptionedFolder, CaptionedPicture, labelled
from zeroshift.miniature.quality.accuracy import balanced_accuracy, choose_threshold, coat_accuracy
from zeroshift.miniature.renderings import RENDERINGS
from zeroshift.miniature.vocabulary import STYLES

pytest.importorskip("lightning")
COATS = ("black", "orange", "white")


@pytest.mark.filterwarnings("ignore:Checkpoint directory", "ignore:.*LeafSpec", "ignore:.*does not have many workers")
def test_a_tiny_classifier_learns_classes_and_coats(tmp_path) -> None:
    """The real stage and loop: reddish cats, bluish dogs; coats are dark or bright, and not known of every picture."""
    from zeroshift.miniature.training.classifier_stage import ClassifierStage, JudgeMaterial, soft_coats
    from zeroshift.miniature.training.loop import StageOptions, fit

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
    material = JudgeMaterial(pictures, truth, soft_coats(rows, classifier.coats))
    stage = ClassifierStage(classifier, material, held_out=(pictures, truth), options=options)
    fit(stage, torch.ones(40), options=options, folder=tmp_path, seed=0, precision="fp32")
    classifier.network.eval()
    assert balanced_accuracy(classifier.probabilities(pictures) >= 0.5, truth) > 0.95
    assert coat_accuracy(classifier, pictures, coats) > 0.95


def test_soft_coats_are_weighted_by_the_root_of_their_rarity() -> None:
    from zeroshift.miniature.training.classifier_stage import SMOOTHING, soft_coats

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
    from zeroshift.miniature.training.classifier_stage import ClassifierStage, JudgeMaterial
    from zeroshift.miniature.training.loop import StageOptions

    torch.manual_seed(0)
    pictures = torch.randint(0, 256, (200, 3, 32, 32), dtype=torch.uint8)
    material = JudgeMaterial(pictures, torch.zeros(200, dtype=torch.bool), torch.ones(200, 3), share)
    classifier = build_classifier((8,), (1,), coats=COATS, styles=STYLES if share else ())
    stage = ClassifierStage(classifier, material, held_out=None, options=StageOptions())
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
    from zeroshift.miniature.training.classifier_stage import rendered

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


@contextmanager
def few_channels() -> Iterator[None]:
    """The command with a smaller network, which trains as the usual one does."""
    from zeroshift.miniature.training import classifier_job

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier_job, "WIDTHS", (8, 8, 8, 8))
        yield


@pytest.fixture
def small() -> Iterator[None]:
    with few_channels():
        yield


def captioned(folder, splits, coated=False):
    """Write four pictures of each split: red cats and blue dogs, of one colour each."""
    folder.mkdir(exist_ok=True)
    lines = ["file,caption,split,species" + ",coat,coat_label" * coated]
    for split in splits:
        for k, species in enumerate(("cat", "dog", "cat", "dog")):
            name = f"{split}-{k}.png"
            Image.new("RGB", (24, 24), "red" if species == "cat" else "blue").save(folder / name)
            labels = f",{'black' if species == 'cat' else 'tan'},{('hand', 'auto')[k % 2]}" * coated
            lines.append(f"{name},a photo of a {species},{split},{species}{labels}")
    (folder / "captions.csv").write_text("\n".join(lines))
    return str(folder)


@pytest.mark.parametrize("coated", [False, True])
@pytest.mark.parametrize("held_out", [(), ("val", "bench-val", "test")])
def test_the_command_trains_and_measures_the_splits_that_are_there(
    tmp_path, capsys, monkeypatch, small, held_out, coated
) -> None:
    """Of what is held out, ``val`` alone chooses the threshold, and ``test`` is not even read."""
    from zeroshift.miniature.training import classifier, classifier_job

    monkeypatch.setattr(classifier_job, "MINIMUM", 2)
    folder = captioned(tmp_path / "pictures", ("train", *held_out), coated)
    for picture in (tmp_path / "pictures").glob("test-*.png"):
        picture.write_bytes(b"not a picture")
    few = ("--run", str(tmp_path / "run"), "--steps", "1", "--styles", "0.5" if coated else "0")
    classifier.main([folder, str(tmp_path / "judge"), *few])
    trained = load_classifier(tmp_path / "judge")
    assert trained.size == classifier_job.SIZE
    assert trained.coats == (("black", "tan") if coated else ())
    assert trained.styles == (STYLES if coated else ())
    chosen = 0.5
    if held_out:
        shown, truth = labelled(CaptionedFolder.open(folder), ("val",), trained.size)
        chosen = choose_threshold(trained.probabilities(shown), truth)
    assert trained.threshold == chosen
    names = ["balanced_accuracy"]
    if coated:
        names += ["coat_accuracy", "coat_accuracy_all_labels", "style_accuracy", "renderings_balanced_accuracy"]
    measured = ("val", "bench_val") if held_out else ()
    assert set(trained.figures) == {f"{split}_{name}" for split in measured for name in names}
    said = capsys.readouterr().out.splitlines()  # and nothing of Lightning's
    assert [line for line in said if line] == [f"{name} {value:.4f}" for name, value in trained.figures.items()]


def test_bench_pictures_choose_no_threshold(tmp_path, monkeypatch) -> None:
    from zeroshift.miniature.training import classifier, classifier_job

    seen = []
    monkeypatch.setattr(classifier_job, "choose_threshold", lambda p, truth: seen.append(len(truth)) or 0.25)
    few = ("--run", str(tmp_path / "run"), "--steps", "1", "--styles", "0")
    classifier.main([captioned(tmp_path / "a", ("train", "bench-val")), str(tmp_path / "judge"), *few])
    assert not seen and load_classifier(tmp_path / "judge").threshold == 0.5


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    """A folder with pictures, a run and the judge that it made without styles."""
    from zeroshift.miniature.training.classifier import main

    root = tmp_path_factory.mktemp("judge")
    folder = captioned(root / "pictures", ("train",))
    with few_channels():
        main([folder, str(root / "judge"), "--run", str(root / "run"), "--steps", "1", "--styles", "0"])
    return root


OTHERS = {
    "init": lambda root: ["--init", str(root / "judge")],
    "seed": lambda root: ["--seed", "7"],
    "lr": lambda root: ["--lr", "0.001"],
    "coat-weight": lambda root: ["--coat-weight", "1"],
    "styles": lambda root: ["--styles", "0.25"],
}


@pytest.mark.parametrize("option", OTHERS)
def test_another_classifier_is_not_taken_for_this_one(judge, small, tmp_path, option) -> None:
    from zeroshift.miniature.training.classifier import main

    asked = ["--run", str(judge / "run"), "--styles", "0", "--steps", "1", *OTHERS[option](judge)]
    before = (judge / "run/job.json").read_bytes()
    with pytest.raises(SystemExit, match=f"^error: .*run holds a training that differs in {option}; name another"):
        main([str(judge / "pictures"), str(tmp_path / "out"), *asked])
    assert not (tmp_path / "out").exists() and (judge / "run/job.json").read_bytes() == before


def test_other_pictures_and_runs_of_unknown_origin_are_refused(judge, small, tmp_path) -> None:
    from zeroshift.miniature.training.classifier import main

    shutil.copytree(judge / "pictures", tmp_path / "pictures")
    with (tmp_path / "pictures/captions.csv").open("a") as file:
        file.write("\ntrain-0.png,a photo of a cat,train,cat\n")
    same = ["--run", str(judge / "run"), "--styles", "0", "--steps", "1"]
    with pytest.raises(SystemExit, match="differs in captions"):
        main([str(tmp_path / "pictures"), str(tmp_path / "out"), *same])
    (tmp_path / "run").mkdir()
    (tmp_path / "run/last.ckpt").touch()
    with pytest.raises(SystemExit, match="no job.json describes"):
        main([str(judge / "pictures"), str(tmp_path / "out"), "--run", str(tmp_path / "run")])


def test_a_classifier_goes_on_with_another_budget(judge, small, tmp_path) -> None:
    from zeroshift.miniature.training.classifier import main

    shutil.copytree(judge / "run", tmp_path / "run")
    main([str(judge / "pictures"), str(tmp_path / "out"), "--run", str(tmp_path / "run"), "--steps=2", "--styles=0"])
    assert torch.load(tmp_path / "run/last.ckpt", weights_only=True)["global_step"] == 2
    kept = json.loads((tmp_path / "run/job.json").read_text())
    assert [one["steps"] for one in kept["changeable"]] == [1, 2]
    assert "steps" not in kept


def test_the_command_refuses_a_folder_without_dogs(tmp_path) -> None:
    from zeroshift.miniature.training.classifier import main

    (tmp_path / "captions.csv").write_text("file,caption,species\na.png,a photo of a cat,cat\n")
    with pytest.raises(SystemExit, match="needs pictures of a cat and of a dog in train"):
        main([str(tmp_path), str(tmp_path / "judge"), "--run", str(tmp_path / "run")])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--styles", "1", "a number of at least 0 and below 1, not '1'"),
        ("--minutes", "0", "a number above 0 and at most 100000, not '0'"),
        ("--minutes", "inf", "a number above 0"),
        ("--coat-weight", "-3", "a number from 0 to 100, not '-3'"),
        ("--coat-weight", "nan", "a number from 0 to 100, not 'nan'"),
        ("--lr", "fast", "a number above 0"),
        ("--seed", "-1", "a whole number from 0 to"),
    ],
)
def test_numbers_out_of_range_are_refused(tmp_path, option, value, sentence) -> None:
    from zeroshift.miniature.training.classifier import main

    with pytest.raises(SystemExit, match=f"^error: {option} of the classifier takes {sentence}"):
        main([captioned(tmp_path / "pictures", ("train",)), str(tmp_path / "judge"), option, value])


@pytest.mark.parametrize("place", ["file", "full", "file/judge"])
def test_places_that_cannot_take_a_classifier_are_refused_before_the_training(tmp_path, place) -> None:
    from zeroshift.miniature.training.classifier import main

    (tmp_path / "file").write_text("in the way")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/config.json").write_text("{}")
    said = {"file": "is a file", "full": "is not empty", "file/judge": "cannot be written"}[place]
    folder = captioned(tmp_path / "pictures", ("train",))
    with pytest.raises(SystemExit, match=f"^error: .*{place} {said}.*[.]$"):
        main([folder, str(tmp_path / place), "--run", str(tmp_path / "run")])
    assert not (tmp_path / "run").exists()
    with pytest.raises(SystemExit, match="^error: .*file.* cannot be read or written .*choose another place[.]$"):
        main([folder, str(tmp_path / "judge"), "--run", str(tmp_path / "file/run")])
