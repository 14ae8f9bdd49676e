"""The finder of heads: its network, its scenes, and that it finds what it was trained on."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from zeroshift.frames import overlap
from zeroshift.miniature.classifier import build_classifier, save_classifier
from zeroshift.miniature.data import CaptionedPicture
from zeroshift.miniature.finder import Finder, load_finder, read_finder, reduced, save_finder
from zeroshift.miniature.finder_network import STRIDE, WINDOW, FinderNetwork

pytest.importorskip("lightning")
SHAPE = (8, 16, 16), (1, 1, 1)


def test_its_levels_see_what_the_classifiers_do():
    torch.manual_seed(0)
    classifier = build_classifier((8, 16, 24, 32), (1, 2, 1, 1)).network
    network = FinderNetwork((8, 16, 24), (1, 2, 1)).eval()
    network.start_from(classifier)
    x = torch.randn(2, 3, 40, 56)
    torch.testing.assert_close(network.features(x).mean((2, 3)), classifier.levels(x)[:, 8 + 8 + 16 : -32])
    assert network(x).shape == (2, 4, 5, 7)


def test_every_marked_place_points_at_the_frame():
    from zeroshift.miniature.training.finder_scenes import SIDE, mark

    target = torch.zeros(4, SIDE // STRIDE, SIDE // STRIDE)
    mark(target, (60.0, 44.0, 70.0), (0, 0, SIDE, SIDE))
    quality, right, down, growth = target
    assert quality[5, 7] == quality.max() > 0.95  # the place around 60, 44
    rows, columns = torch.nonzero(quality > 0, as_tuple=True)
    of = (rows, columns)
    torch.testing.assert_close((columns + 0.5) * STRIDE + right[of] * WINDOW, torch.full_like(right[of], 60))
    torch.testing.assert_close((rows + 0.5) * STRIDE + down[of] * WINDOW, torch.full_like(down[of], 44))
    torch.testing.assert_close(growth[of].exp() * WINDOW, torch.full_like(growth[of], 70))


@pytest.mark.parametrize(
    ("frame", "tile"),
    [((60, 60, 16), (0, 0, 128, 128)), ((60, 60, 256), (0, 0, 128, 128)), ((60, 60, 70), (60, 0, 128, 128))],
)
def test_heads_of_another_size_and_heads_that_are_cut_off_are_none(frame, tile):
    from zeroshift.miniature.training.finder_scenes import mark

    target = torch.zeros(4, 16, 16)
    mark(target, frame, tile)
    assert target[0].max() < 0.02


def test_scenes_show_portraits_where_they_say():
    """The middle of every frame that is said to be there has the colour of the portraits' middle."""
    from zeroshift.miniature.training.finder_scenes import LAYOUTS, SIDE, TILES, Portraits, scenes

    torch.manual_seed(1)
    portraits = Portraits(disc(128)[None].repeat(4, 1, 1, 1), torch.tensor([1.0, 1.0, 0.5, 0.0]))
    levels = portraits.reduced()
    assert [level.shape[-1] for level in levels] == [128, 64, 32]
    pictures, wanted = scenes(levels, portraits.frames, torch.arange(TILES) % 2)
    assert pictures.shape == (len(LAYOUTS), 3, SIDE, SIDE) and pictures.abs().max() <= 1
    heads, rows, columns = torch.nonzero(wanted[:, 0] > 0.9, as_tuple=True)
    assert len(heads) > 4
    seen = pictures[heads, :, rows * STRIDE + STRIDE // 2, columns * STRIDE + STRIDE // 2]
    assert (seen[:, 0] > seen[:, 2]).all()  # red, not blue
    _, wanted = scenes(levels, portraits.frames, torch.full((TILES,), 3))
    assert not wanted.any()


def test_species_are_drawn_alike_and_pictures_without_a_head_seldom():
    from zeroshift.miniature.training.finder_job import RARE, frames_of, shares

    labels = [("cat", "1"), ("cat", ""), ("cat", "1.3"), ("dog", "1"), ("dog", "0"), ("cat", "0")]
    rows = [CaptionedPicture("", "", "train", {"species": s, "frame": f}) for s, f in labels]
    torch.testing.assert_close(frames_of(rows), torch.tensor([1, 1, 1.3, 1, 0, 0]))
    drawn = shares(rows, frames_of(rows)).double()
    torch.testing.assert_close(drawn, torch.tensor([1 / 6] * 3 + [1 / 2] + [RARE / 2] * 2).double())
    with pytest.raises(ValueError, match="`frame` of .* is 'wide', expected a number"):
        frames_of([CaptionedPicture("", "", "train", {"frame": "wide"})])


def test_pictures_are_reduced_to_whole_places_with_a_margin():
    pixels, scale = reduced(Image.new("RGB", (200, 100), "red"), 0.64)
    assert pixels.shape == (3, 96, 160) and scale == (0.64, 0.64)
    torch.testing.assert_close(pixels[:, 0, 0], torch.tensor([1.0, -1, -1]))


def disc(side: int) -> torch.Tensor:
    """A red disc with a white middle on blue noise, uint8 (3, side, side): a head, as far as tiny networks go."""
    place = (torch.arange(side) + 0.5) / side - 0.5
    distance = (place[:, None] ** 2 + place[None, :] ** 2).sqrt()
    picture = torch.randint(0, 60, (3, side, side), dtype=torch.uint8)
    picture[2] += 120
    picture[:, distance < 0.3] = torch.tensor([220, 30, 30], dtype=torch.uint8)[:, None]
    picture[:, distance < 0.1] = torch.tensor([250, 200, 200], dtype=torch.uint8)[:, None]
    return picture


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Checkpoint directory", "ignore:.*LeafSpec", "ignore:.*does not have many workers")
def test_a_tiny_finder_learns_to_frame_and_to_see_that_there_is_nothing(tmp_path):
    from zeroshift.miniature.training.finder_scenes import TILES, Portraits
    from zeroshift.miniature.training.finder_stage import FinderStage
    from zeroshift.miniature.training.loop import StageOptions, fit

    torch.manual_seed(0)
    portraits = Portraits(torch.stack([disc(128) for _ in range(8)]), torch.ones(8))
    network = FinderNetwork(*SHAPE)
    options = StageOptions(steps=80, batch=TILES, lr=1e-2, ema=0.9, warmup=5)
    stage = FinderStage(network, portraits, options=options)
    fit(stage, torch.ones(8), options, tmp_path / "run", 0, "fp32")
    finder = Finder(network.cpu().eval(), *SHAPE)
    scene = torch.randint(0, 60, (3, 180, 260), dtype=torch.uint8)
    scene[2] += 120
    nothing = Image.fromarray(scene.permute(1, 2, 0).numpy())
    scene[:, 30:110, 140:220] = disc(80)
    box, agreement = finder.best(Image.fromarray(scene.permute(1, 2, 0).numpy()))
    assert overlap(box, (140, 30, 220, 110)) > 0.6
    assert agreement > 3 * finder.best(nothing)[1]


def test_every_head_is_found_once_and_the_surest_first(monkeypatch):
    """Of places that mean three frames, of which two lie in each other."""
    meant = torch.tensor([[60.0, 60, 3.7]] * 9 + [[75.0, 60, 3.5]] * 5 + [[160.0, 50, 3.4]] * 7)
    finder = Finder(FinderNetwork(*SHAPE), *SHAPE, threshold=3.0)
    monkeypatch.setattr(Finder, "frames", lambda self, picture: (meant, torch.full((len(meant),), 0.9)))
    first, second = finder.every(Image.new("RGB", (200, 120)))
    assert overlap(first, (40, 40, 82, 82)) > 0.7 and overlap(second, (145, 35, 175, 65)) > 0.8
    monkeypatch.setattr(Finder, "frames", lambda self, picture: (meant[:0], torch.zeros(0)))
    assert finder.every(Image.new("RGB", (200, 120))) == []


def test_what_is_saved_is_read_again(tmp_path):
    torch.manual_seed(0)
    network = FinderNetwork(*SHAPE).eval()
    save_finder(Finder(network, *SHAPE, threshold=2.5, trained_on="8 discs", figures={"val_found": 1.0}), tmp_path)
    kept = load_finder(tmp_path)
    assert (kept.widths, kept.blocks, kept.threshold, kept.trained_on) == (*SHAPE, 2.5, "8 discs")
    for name, value in kept.network.state_dict().items():
        torch.testing.assert_close(value, network.state_dict()[name].half().to(value.dtype))
    box, agreement = kept.best(Image.new("RGB", (90, 60)))
    wanted = box if agreement >= 2.5 else None
    assert read_finder(tmp_path).find(Image.new("RGB", (90, 60))) == wanted
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="finder in .*config.json"):
        load_finder(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="no model.safetensors"):
        load_finder(tmp_path)


def portraits(folder: Path) -> Path:
    folder.mkdir()
    lines = ["file,caption,split,species,frame,source"]
    for k, (species, split, frame) in enumerate(
        [("cat", "train", 1), ("dog", "train", 1.3), ("dog", "train", 0), ("cat", "val", 1), ("dog", "bench-val", 1)]
    ):
        Image.fromarray(disc(48).permute(1, 2, 0).numpy()).save(folder / f"{k}.png")
        lines.append(f"{k}.png,a photo of a {species},{split},{species},{frame},discs")
    (folder / "captions.csv").write_text("\n".join(lines))
    return folder


def test_the_command_trains_and_measures(tmp_path, capsys):
    from zeroshift.miniature.training.finder import main

    torch.manual_seed(0)
    save_classifier(build_classifier((8, 8, 8, 8), (1, 1, 1, 1), size=16), tmp_path / "classifier")
    few = ["--classifier", str(tmp_path / "classifier"), "--run", str(tmp_path / "run"), "--steps=1", "--head-steps=1"]
    main([str(portraits(tmp_path / "pictures")), str(tmp_path / "finder"), *few])
    trained = load_finder(tmp_path / "finder")
    assert trained.trained_on == "3 portraits: discs 3"
    assert trained.figures["val_found"] == 1  # the threshold is a quantile of this one's agreement, rounded down
    assert set(trained.figures) == {"val_found", "val_overlap", "bench_val_found", "bench_val_overlap"}
    said = [line for line in capsys.readouterr().out.splitlines() if line]
    assert said == [f"{name} {value:.4f}" for name, value in trained.figures.items()]
    with pytest.raises(SystemExit, match="is not empty"):
        main([str(tmp_path / "pictures"), str(tmp_path / "finder"), *few])
    with pytest.raises(SystemExit, match="differs in seed"):
        main([str(tmp_path / "pictures"), str(tmp_path / "other"), *few, "--seed=1"])
    with pytest.raises(SystemExit, match="^error: --minutes of the finder takes a number above 0"):
        main([str(tmp_path / "pictures"), str(tmp_path / "other"), *few, "--minutes=0"])
    assert json.loads((tmp_path / "run" / "job.json").read_text())["precision"] == "auto"


def test_a_classifier_needs_the_levels_that_a_finder_starts_from(tmp_path):
    from zeroshift.miniature.training.finder import main

    save_classifier(build_classifier((8, 8), (1, 1), size=16), tmp_path / "classifier")
    flags = ["--classifier", str(tmp_path / "classifier"), "--run", str(tmp_path / "run")]
    with pytest.raises(SystemExit, match="has 2 levels, and a finder starts from 3"):
        main([str(portraits(tmp_path / "pictures")), str(tmp_path / "finder"), *flags])
    assert not (tmp_path / "run").exists()
