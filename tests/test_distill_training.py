"""Students train at tiny size: examples, augmentation, both architectures, resumption."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import TypeAdapter

pytest.importorskip("lightning")

from tests.shell import call, refused
from zeroshift.distillation import strips
from zeroshift.distillation.augmenting import GREY, augmented, colours, recoloured, turned
from zeroshift.distillation.comod import CoModulated
from zeroshift.distillation.examples import drawn_intensity, open_examples
from zeroshift.distillation.options import DistillOptions
from zeroshift.distillation.pairs import About, Pair, Scores, add_pairs, write_about
from zeroshift.distillation.reals import reals_of
from zeroshift.distillation.residual import Residual
from zeroshift.distillation.strips import draw_losses, losses, smoothed, strip
from zeroshift.distillation.training import train

SIZE, COUNT = 32, 4


def folder_of(root: Path, source: str, target: str) -> Path:
    """Pairs whose edits are red on the right half, half as red at intensity 0.5."""
    drawn, pairs = np.random.default_rng(len(source)), []
    for k in range(COUNT):
        pair = Pair(f"{source}{k}", f"{k}.png", 0, 1.0, (0.5, 1.0), Scores(), "too little" if k == COUNT - 1 else "")
        before = drawn.integers(0, 256, (SIZE, SIZE, 3), np.uint8)
        whole, mask = before.copy(), np.zeros((SIZE, SIZE), np.uint8)
        whole[:, SIZE // 2 :], mask[:, SIZE // 2 :] = (255, 0, 0), 255
        half = ((before.astype(int) + whole) // 2).astype(np.uint8)
        pair.file(root, 0).parent.mkdir(parents=True, exist_ok=True)
        for intensity, pixels in ((0, before), (0.5, half), (1, whole)):
            Image.fromarray(pixels).save(pair.file(root, intensity), lossless=True)
        Image.fromarray(mask).save(pair.mask_file(root), lossless=True)
        pairs.append(pair)
    add_pairs(root, pairs)
    write_about(root, About(source, target, "ddim", {}, "tiny", "0", SIZE))
    return root


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> list[Path]:
    root = tmp_path_factory.mktemp("pairs")
    return [folder_of(root / "one", "cat", "dog"), folder_of(root / "two", "dog", "cat")]


def test_examples_are_what_was_kept(folders):
    examples = open_examples(folders)
    assert len(examples.pairs) == 2 * (COUNT - 1)
    assert examples.directions == (("cat", "dog"), ("dog", "cat"))
    torch.manual_seed(0)
    batch = examples.read([0, 5])
    assert batch.directions.tolist() == [0, 1]
    photograph = np.asarray(examples.pairs[5].picture(examples.roots[5], 0))
    assert np.array_equal(np.round((batch.photographs[1].permute(1, 2, 0).numpy() + 1) * 127.5), photograph)
    assert batch.masks[1, 0, 0].tolist() == [0.0] * 16 + [1.0] * 16


def test_between_two_intensities_edits_are_mixed(folders):
    examples = open_examples(folders)
    torch.testing.assert_close(examples.at(0, 0.25), (examples.opened(0, 0) + examples.opened(0, 0.5)) / 2)
    torch.testing.assert_close(examples.at(0, 0.6), 0.8 * examples.opened(0, 0.5) + 0.2 * examples.opened(0, 1))
    assert torch.equal(examples.at(0, 0.5), examples.opened(0, 0.5))


def test_most_examples_are_whole_edits():
    torch.manual_seed(0)
    drawn = [drawn_intensity((0.5, 1.0)) for _ in range(2000)]
    assert sum(one == 1 for one in drawn) == pytest.approx(0.6 * 2000, abs=80)
    assert sum(one == 0.5 for one in drawn) == pytest.approx(0.25 * 2000, abs=80)
    assert all(0 < one <= 1 for one in drawn)
    assert set(drawn_intensity((1.0,)) == 1 for _ in range(50)) == {True, False}


def test_real_photographs_are_those_of_the_other_direction(folders, tmp_path):
    examples = open_examples(folders)
    found = reals_of(examples, {})
    assert [{path.parents[1].name for path in files} for files in found.targets] == [{"two"}, {"one"}]
    assert found.sources == found.targets[::-1]
    assert reals_of(open_examples(folders[:1]), {}, targets=False).targets == ()
    with pytest.raises(ValueError, match="no photographs of dog .* `reals`"):
        reals_of(open_examples(folders[:1]), {})
    Image.new("RGB", (40, 60), "white").save(tmp_path / "white.png")
    given = reals_of(open_examples(folders[:1]), {"dog": tmp_path})
    assert torch.equal(given.drawn([0, 0]), torch.ones(2, 3, SIZE, SIZE))


@pytest.mark.parametrize(
    ("asked", "word", "sentence"),
    [
        (
            {},
            "fish",
            "^This training looks at no photographs of fish, which `reals` names; it looks at those of dog and",
        ),
        ({"architecture": "co-mod"}, "dog", "no photographs of dog, which `reals` names; it looks at none"),
        ({"adversary": 0.0}, "dog", "no photographs of dog, which `reals` names; it looks at none"),
    ],
)
def test_photographs_that_nothing_is_learned_from_are_refused_before_there_is_a_run(
    asked, word, sentence, folders, tmp_path
):
    Image.new("RGB", (40, 60), "white").save(tmp_path / "white.png")
    with pytest.raises(ValueError, match=sentence):
        train(folders, tmp_path / "out", tmp_path / "run", DistillOptions(**asked, steps=1), print, {word: tmp_path})
    assert not (tmp_path / "run").exists() and not (tmp_path / "out").exists()


def test_what_a_training_cannot_begin_with_leaves_no_run(folders, tmp_path):
    with pytest.raises(ValueError, match="no photographs of dog"):
        train(folders[:1], tmp_path / "out", tmp_path / "run", DistillOptions(steps=1), print)
    with pytest.raises(ValueError, match="There is no folder .*nowhere; name that of photographs of dog"):
        train(
            folders, tmp_path / "out", tmp_path / "run", DistillOptions(steps=1), print, {"dog": tmp_path / "nowhere"}
        )
    assert not (tmp_path / "run").exists()
    train(folders, tmp_path / "out", tmp_path / "run", options("residual", 1), lambda _: None)


def test_a_word_whose_photographs_are_named_twice_is_refused(folders, tmp_path, capsys):
    reals = ("--reals", f"dog={tmp_path}", "--reals", f"dog={tmp_path / 'more'}")
    words = ("distill", "train", folders[0], "-o", tmp_path / "out", "--run", tmp_path / "run")
    refused(call(capsys, *words, *reals), 2, "--reals names dog twice")
    assert not (tmp_path / "run").exists()


def test_augmentation_changes_both_pictures_alike(folders):
    examples = open_examples(folders)
    torch.manual_seed(0)
    batch = examples.read([0, 1, 2])
    changed = augmented(batch)
    assert not torch.allclose(changed.photographs, batch.photographs)
    outside = (changed.masks == 0).expand_as(changed.edits)
    assert outside.any()  # where nothing was edited, both are the same but for the photograph's noise
    assert (changed.photographs - changed.edits)[outside].abs().mean() < 0.02


def test_hues_turn_about_grey():
    turn = turned(torch.tensor([0.3, -1.0]).double())
    eye = torch.eye(3).double().expand(2, 3, 3)
    torch.testing.assert_close(turn @ turn.mT, eye)
    torch.testing.assert_close(turn.sum(2), torch.ones(2, 3).double())
    whole = torch.linalg.matrix_exp(0.3 / 3**0.5 * torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]).double())
    torch.testing.assert_close(turn[0], whole)


def test_colours_are_changed_pixel_by_pixel():
    torch.manual_seed(0)
    change, shift = colours(2, torch.device("cpu"))
    x = torch.rand(2, 3, 4, 4) * 0.4 - 0.2
    wanted = torch.einsum("bij,bjhw->bihw", change, x) + shift[..., None]
    torch.testing.assert_close(recoloured(x, change, shift), wanted.clamp(-1, 1))
    assert sum(GREY) == pytest.approx(1)


def options(architecture: str, steps: int) -> DistillOptions:
    return DistillOptions(
        architecture=architecture,
        steps=steps,
        batch=2,
        channels=8,
        save_every=0,
        strips_every=1e-9,
        half=0.3,
        adversary_from=0.4,
    )


@pytest.mark.parametrize(("architecture", "kind"), [("residual", Residual), ("co-mod", CoModulated)])
def test_a_student_trains_and_goes_on(architecture, kind, folders, tmp_path, monkeypatch):
    out, run, said = tmp_path / "student", tmp_path / "run", []
    with monkeypatch.context() as broken, pytest.raises(ZeroDivisionError):  # as a kill in the middle
        broken.setattr(strips.Strips, "on_train_batch_end", lambda self, trainer, *_: 1 / (3 - trainer.global_step))
        train(folders, out, run, options(architecture, 5), said.append)
    assert torch.load(run / "student/last.ckpt", weights_only=True)["global_step"] == 3
    assert not out.exists()
    train(folders, out, run, options(architecture, 5), said.append)
    assert sorted(path.name for path in (run / "strips").iterdir()) == ["000004.png", "000005.png"]
    student = kind.from_pretrained(out)
    assert [tuple(one) for one in student.directions] == [("cat", "dog"), ("dog", "cat")]
    assert next(student.parameters()).dtype == torch.float32
    picture = strip(student.eval(), open_examples(folders))
    assert picture.height > 6 * 192
    assert torch.load(run / "student/last.ckpt", weights_only=True)["global_step"] == 5
    with pytest.raises(ValueError, match="differs in lr; name another `run`"):
        train(folders, tmp_path / "third", run, replace(options(architecture, 5), lr=1.0), said.append)
    assert json.loads((out / "config.json").read_text())["size"] == SIZE


def test_curves_of_losses(tmp_path):
    (tmp_path / "metrics.csv").write_text("epoch,pixels,step\n0,0.5,1\n0,0.3,3\n0,,4\n")
    assert losses(tmp_path) == {"pixels": [(1, 0.5), (3, 0.3)]}
    assert smoothed([(n, float(n)) for n in range(6)], 3) == [(1, 0.5), (3, 2.5), (5, 4.5)]
    draw_losses(tmp_path, tmp_path / "losses.html")
    drawn = (tmp_path / "losses.html").read_text()
    assert "pixels 0.5 at step 1" in drawn and "pixels 0.3 at step 3" in drawn
    draw_losses(tmp_path / "nothing", tmp_path / "none.html")
    assert not (tmp_path / "none.html").exists()


def test_architectures_have_defaults_of_their_own():
    plain, one = DistillOptions(), DistillOptions(architecture="one-step", lr=0.5)
    assert (plain.batch, plain.adversary) == (16, 0.15)
    assert (one.batch, one.adversary, one.lr) == (8, 0.5, 0.5)
    assert replace(one, batch=3).adversary == 0.5 and replace(one, batch=3).batch == 3
    given = {"architecture": "co-mod", "penalty": 7}
    read = TypeAdapter(DistillOptions).validate_python(given)
    assert (read.batch, read.penalty) == (64, 7.0) and given == {"architecture": "co-mod", "penalty": 7}
