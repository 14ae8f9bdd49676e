"""Edits by a student: the frames, masks, files and recipes of every other edit."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.shell import call, refused
from zeroshift.cli.main import run
from zeroshift.distillation.comod import CoModulated
from zeroshift.distillation.editing import StudentEditor, StudentSpec
from zeroshift.distillation.residual import Residual
from zeroshift.distillation.students import check_asked, open_student, save_student
from zeroshift.image import read_recipe
from zeroshift.image.tensors import to_pictures, to_tensor

WAYS = [["cat", "dog"], ["dog", "cat"], ["fox", "cat"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A student that edits the middle of a picture, since its mask looks at brightness."""
    torch.manual_seed(0)
    network = Residual(WAYS, 32, (8, 32), (1, 1), 8)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        network.out.weight[3] = 0
        network.out.weight[3, -3:, 1, 1] = 20.0  # where the photograph is light
        network.out.bias[3] = -10.0
    folder = tmp_path_factory.mktemp("student") / "tiny"
    save_student(network, folder, "a card")
    return folder


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 60, (48, 64, 3), np.uint8)
    pixels[16:32, 24:40] += 190  # a light square
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def editor(folder) -> StudentEditor:
    return StudentEditor(open_student(folder))


def test_a_saved_student_is_the_same_in_float16(folder):
    student = open_student(folder)
    assert student.directions == [tuple(way) for way in WAYS]
    assert json.loads((folder / "config.json").read_text())["architecture"] == "residual"
    x = torch.rand(1, 3, 32, 32) * 2 - 1
    again = Residual.from_pretrained(folder).eval()
    torch.testing.assert_close(
        student.edited(x, 1, 0.5)[0], again(x, torch.tensor([1]), torch.tensor([0.5])).clamp(-1, 1)
    )
    assert next(student.network.parameters()).dtype == torch.float32


def test_both_architectures_are_told_apart(tmp_path):
    save_student(CoModulated([["cat", "dog"]], 32, 4, 4, 1), tmp_path / "other", "a card")
    opened = open_student(tmp_path / "other")
    assert isinstance(opened.network, CoModulated)
    x = torch.rand(1, 3, 32, 32) * 2 - 1
    made, mask = opened.edited(x, 0, 1.0)
    assert mask is None and torch.equal(made, opened.edited(x, 0, 1.0)[0])


@pytest.mark.parametrize("damage", ["config.json", "model.safetensors"])
def test_damaged_students_are_refused(damage, folder, tmp_path):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / damage).write_bytes(b"{}")
    with pytest.raises(ValueError, match="is damaged; write it anew"):
        open_student(tmp_path)
    (tmp_path / damage).unlink()
    with pytest.raises(ValueError, match=f"is no student: it has no {damage}"):
        open_student(tmp_path)


def test_words_are_those_that_it_knows(editor):
    assert editor.student.number(None, "dog") == 0
    assert editor.student.number("fox", "cat") == 2
    with pytest.raises(ValueError, match="comes to cat from several sources"):
        editor.student.number(None, "cat")
    with pytest.raises(ValueError, match="does not know cat to fox; it knows cat to dog, dog to cat, fox to cat"):
        editor.student.number("cat", "fox")


def test_what_it_does_not_edit_keeps_its_pixels(editor, photograph):
    result = editor.edit(photograph, StudentSpec(target="dog"))
    before, after, mask = (np.asarray(one) for one in (Image.open(photograph), result.image, result.mask))
    assert result.image.size == (64, 48)
    assert np.array_equal(before[mask == 0], after[mask == 0])
    assert not np.array_equal(before, after) and 0 < (mask > 0).mean() < 0.5
    assert (mask[18:30, 26:38] > 0).all()


def test_native_is_what_the_network_gives(editor, photograph):
    spec = StudentSpec(target="dog", intensity=0.5)
    frame = editor.framed(editor_photo(photograph), spec)
    made, _ = editor.student.edited(to_tensor([frame.pixels]), 0, 0.5)
    assert np.array_equal(np.asarray(editor.edit(photograph, spec).native), np.asarray(to_pictures(made)[0]))


def editor_photo(path: Path):
    from zeroshift.image import load_image

    return load_image(path)


def test_nothing_is_the_photograph_and_a_mask_bounds_the_rest(editor, photograph, tmp_path):
    nothing = editor.edit(photograph, StudentSpec(target="dog", intensity=0.0))
    assert np.array_equal(np.asarray(nothing.image), np.asarray(Image.open(photograph)))
    given = Image.new("L", (64, 48))
    given.paste(255, (28, 0, 56, 48))
    result = editor.edit(photograph, StudentSpec(target="dog", soft=0), given)
    assert np.array_equal(np.asarray(result.image)[:, :28], np.asarray(Image.open(photograph))[:, :28])


@pytest.mark.parametrize(
    "options", [[], ["--region", "10,4,40,40"], ["--size", "64"], ["--fit", "aspect"], ["--strength", "0.5"]]
)
def test_what_the_command_line_writes_is_made_again(options, folder, photograph, tmp_path):
    out = tmp_path / "out.png"
    assert (
        run(
            ["edit", str(photograph), "--student", str(folder), "--target", "dog", "-o", str(out), *options, "-q"], True
        )
        == 0
    )
    recipe = read_recipe(out)
    assert recipe["method"] == "student" and recipe["source"] == "cat"
    again = tmp_path / "again.png"
    assert run(["redo", str(out), "--student", str(folder), "-o", str(again), "-q"], True) == 0
    assert again.read_bytes() == out.read_bytes()


def test_a_picture_without_a_head_is_said_to_be_edited_in_its_middle(folder, photograph, tmp_path, capsys):
    out = tmp_path / "out.png"
    done = call(capsys, "edit", photograph, "--student", folder, "--target", "dog", "-o", out)
    assert done.code == 0, done.err
    (line,) = [line for line in done.out.splitlines() if str(out) in line]
    assert "; the middle, 8,0,48,48, since no head was found; --region says where it is" in line
    assert "`" not in done.out + done.err


def test_several_strengths_beside_each_other(folder, photograph, tmp_path):
    out = tmp_path / "out"
    sheet = tmp_path / "sheet.png"
    line = ["edit", str(photograph), "--student", str(folder), "--target", "dog", "--strengths", "0,0.5,1"]
    assert run([*line, "-o", str(out), "--sheet", str(sheet), "-q"], True) == 0
    names = [f"photo-dog-{one}-student-0.png" for one in ("0", "0.5", "1")]
    assert sorted(path.name for path in out.iterdir()) == names and sheet.is_file()
    changes = [
        np.abs(np.asarray(Image.open(out / name), int) - np.asarray(Image.open(photograph), int)).mean()
        for name in names
    ]
    assert changes[0] == 0 and changes[1] < changes[2]


def test_a_broken_photograph_of_many_is_named_at_the_end(folder, photograph, tmp_path, capsys):
    broken, out = tmp_path / "broken.png", tmp_path / "out"
    broken.write_bytes(photograph.read_bytes()[:200])
    line = ["edit", broken, photograph, "--student", folder, "--target", "dog", "-o", out]
    refused(call(capsys, *line, "-q"), 1, "broken.png")
    done = call(capsys, *line, "--keep-going", "--sheet", tmp_path / "sheet.png")
    assert done.code == 1
    assert "1 of 2 photographs could not be edited; the others are done." in done.err
    assert [path.name for path in out.iterdir()] == ["photo-dog-student-0.png"]
    assert (tmp_path / "sheet.png").is_file()


@pytest.mark.parametrize(
    ("code", "options", "sentence"),
    [
        (2, ["--target", "cat"], "from several sources"),
        (2, ["--target", "fish"], "does not know fish; it knows cat to dog, dog to cat, fox to cat"),
        (2, ["--target", "dog", "--strength", "1.5"], "--strength is from 0 to 1, not 1.5"),
        (2, ["--target", "dog", "--strengths", "0.5,0.5"], "--strength has one of 0.5,0.5 twice"),
        (2, ["--target", "dog", "--strengths", "0.5,1", "-o", "one.png"], "the name of one picture, and 2 are to be"),
        (2, ["--target", "dog", "--region", "head"], "--region must be X,Y,W,H"),
        (2, ["--target", "dog", "--detail", "0.5"], "--detail means nothing to a student"),
        (2, ["--target", "dog", "--detail", "0.5", "--batch", "2"], "--detail and --batch mean nothing to a student"),
        (1, ["--target", "dog", "--mask", "nowhere.png"], "nowhere.png does not exist"),
        (2, ["--target", "fish", "-o", "folder/"], "does not know fish"),
        (1, ["--target", "dog", "--mask", "nowhere.png", "-o", "folder/"], "nowhere.png does not exist"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_loaded(
    code, options, sentence, folder, photograph, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("zeroshift.distillation.opening.open_editor", lambda *_, **__: 1 / 0)
    before = sorted(tmp_path.iterdir())
    refused(call(capsys, "edit", photograph, "--student", folder, *options), code, sentence)
    assert sorted(tmp_path.iterdir()) == before


def test_words_are_looked_up_in_what_is_damaged_or_no_student(folder, tmp_path):
    with pytest.raises(ValueError, match="is no student"):
        check_asked(tmp_path, None, "dog")
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    for damage in ("[]", "{}", '{"directions": 3}', '{"directions": [["cat"]]}', "{"):
        (tmp_path / "config.json").write_text(damage)
        with pytest.raises(ValueError, match="is damaged; write it anew"):
            check_asked(tmp_path, None, "dog")
