"""Many photographs, targets, methods and seeds in one command of ``zeroshift edit``."""

import json
import os
import subprocess
import sys

import pytest
from PIL import ExifTags, Image

from tests.shell import call, files, photograph, refused
from zeroshift.image import read_recipe
from zeroshift.image.sheet import GAP, SIDE


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def edit(capsys, checkpoint):
    """Edit from cat to dog by the quickest method."""

    def run(*tokens):
        words = () if "--target" in tokens else ("--target", "dog")
        method = () if "--method" in tokens else ("--method", "sdedit")
        model = () if "--model" in tokens else ("--model", checkpoint)
        same = ("--source", "cat", "--steps", "2", "--threads", "1", *model)
        return call(capsys, "edit", *tokens, *words, *method, *same)

    return run


@pytest.fixture
def shelf(tmp_path):
    """A folder as people have them: pictures of two formats and depths, a broken one, a pipe, a text."""
    (tmp_path / "in/deep").mkdir(parents=True)
    photograph(tmp_path / "in/a.png", seed=0)
    photograph(tmp_path / "in/b.jpg", seed=1)
    photograph(tmp_path / "in/deep/c.webp", 64, 32, seed=2)
    (tmp_path / "in/broken.png").write_bytes((tmp_path / "in/a.png").read_bytes()[:700])
    (tmp_path / "in/junk.jpg").write_text("no picture")
    (tmp_path / "in/notes.txt").write_text("no picture")
    os.mkfifo(tmp_path / "in/pipe.png")
    return tmp_path / "in"


def test_a_folder_with_broken_files_is_refused_before_the_model_is_loaded(edit, shelf, tmp_path):
    done = edit("in", "--model", "nowhere")
    refused(done, 1, "in/junk.jpg is not a picture", "1 more cannot be read", "--keep-going does the others")
    assert not (tmp_path / "out").exists() or not files(tmp_path / "out")


def test_the_others_are_done_and_the_broken_ones_named_at_the_end(edit, shelf, tmp_path):
    done = edit("in", "--recursive", "--keep-going", "--batch", "2")
    assert done.code == 1
    made = ["a-dog-sdedit-0.png", "b-dog-sdedit-0.jpg", "deep/c-dog-sdedit-0.webp"]
    assert files(tmp_path / "out") == made
    assert [line.split()[0] for line in done.out.splitlines()] == [f"out/{name}" for name in made]
    named = [line.split()[3] for line in done.err.splitlines() if "left out: " in line]
    assert named == ["in/broken.png", "in/junk.jpg", "in/pipe.png"]
    assert done.err.splitlines()[-1] == "zeroshift: error: 3 of 6 photographs could not be edited; the others are done."
    assert read_recipe("out/deep/c-dog-sdedit-0.webp")["source_path"] == "../../in/deep/c.webp"


def test_failures_in_json(edit, shelf):
    done = edit("in", "--keep-going", "--json")
    said = [json.loads(line) for line in done.out.splitlines()]
    assert [("error" in one, one["source"]) for one in said] == [
        (False, "in/a.png"),
        (False, "in/b.jpg"),
        (True, "in/broken.png"),
        (True, "in/junk.jpg"),
        (True, "in/pipe.png"),
    ]


def test_what_is_there_is_skipped(edit, shelf, tmp_path):
    assert edit("in/a.png").code == 0
    before = (tmp_path / "out/a-dog-sdedit-0.png").read_bytes()
    done = edit("in/a.png", "in/b.jpg", "--skip-existing")
    assert (done.code, [line.split()[0] for line in done.out.splitlines()]) == (0, ["out/b-dog-sdedit-0.jpg"])
    assert "1 of 2 photographs have their results already." in done.err
    again = edit("in/a.png", "in/b.jpg", "--skip-existing", "--model", "nowhere")
    assert (again.code, again.out) == (0, "")  # the model is not even looked for
    more = edit("in/a.png", "--target", "dog", "--target", "fox", "--skip-existing")
    assert [line.split()[0] for line in more.out.splitlines()] == ["out/a-fox-sdedit-0.png"]
    assert (tmp_path / "out/a-dog-sdedit-0.png").read_bytes() == before
    refused(edit("in/a.png", "--skip-existing", "--overwrite"), 2, "choose one")


def test_results_are_never_the_next_photographs(edit, shelf, tmp_path):
    refused(edit("in", "-o", "in"), 2, "in has the photographs", "another folder")
    assert edit("in", "--keep-going", "--recursive", "-o", "in/made").code == 1
    assert edit("in", "--keep-going", "--recursive", "-o", "in/made", "--overwrite").code == 1
    assert len(files(tmp_path / "in/made")) == 3


def test_progress_says_how_many_are_left(edit, shelf):
    lines = edit("in/a.png", "in/b.jpg", "in/deep/c.webp", "--batch", "2").out.splitlines()
    assert " s for 2 together; 2 of 3, about " in lines[0] and "the model took" in lines[0]
    assert lines[1] == lines[0].replace("a-dog-sdedit-0.png", "b-dog-sdedit-0.jpg")
    assert lines[2].endswith(" s; 3 of 3)")


def test_formats(edit, shelf, tmp_path):
    assert edit("in/a.png", "in/b.jpg", "--format", "webp").code == 0
    assert files(tmp_path / "out") == ["a-dog-sdedit-0.webp", "b-dog-sdedit-0.webp"]
    refused(edit("in/a.png", "--format", "jpg", "-o", "x.png"), 2, "x.png and --format jpg say different things")


def test_exif_is_kept_and_redone(edit, capsys, checkpoint, tmp_path):
    exif = Image.Exif()
    exif.update({ExifTags.Base.Model: "Camera", ExifTags.Base.Orientation: 6})
    Image.new("RGB", (40, 30), "red").save(tmp_path / "cat.jpg", exif=exif.tobytes())
    assert [edit("cat.jpg").code, edit("cat.jpg", "--keep-exif", "-o", "kept.jpg").code] == [0, 0]
    with Image.open("out/cat-dog-sdedit-0.jpg") as plain, Image.open("kept.jpg") as kept:
        assert ExifTags.Base.Model not in plain.getexif()
        assert (kept.getexif()[ExifTags.Base.Model], kept.size) == ("Camera", (30, 40))
        assert ExifTags.Base.Orientation not in kept.getexif()
    assert "the same bytes" in call(capsys, "redo", "kept.jpg", "--model", checkpoint).out


@pytest.mark.slow
def test_standard_input_and_output(checkpoint, shelf, tmp_path):
    words = ("--source", "cat", "--target", "dog", "--method", "sdedit", "--steps", "2", "--model", str(checkpoint))
    command = [sys.executable, "-m", "zeroshift", "edit", "-", *words, "--threads", "1", "-o", "-"]
    done = subprocess.run(command, input=(shelf / "b.jpg").read_bytes(), capture_output=True, check=True)
    recipe = read_recipe(done.stdout)
    assert done.stdout.startswith(b"\xff\xd8") and "source_path" not in recipe
    assert done.stderr.startswith(b"standard output  (")
    (tmp_path / "piped.jpg").write_bytes(done.stdout)
    redo = [sys.executable, "-m", "zeroshift", "redo", "piped.jpg", "--image", "in/b.jpg", "--model", str(checkpoint)]
    assert b"the same bytes" in subprocess.run(redo, capture_output=True, check=True).stdout


def test_seeds_and_methods_and_their_sheet(edit, shelf, tmp_path):
    several = ("--method", "sdedit,ddim", "--seeds", "0,7", "--target", "dog", "--target", "fox")
    done = edit("in/a.png", "in/b.jpg", *several, "--sheet", "sheet.png", "--before-after", "both")
    assert done.code == 0, done
    names = [f"{t}-{m}-{s}" for m in ("sdedit", "ddim") for s in (0, 7) for t in ("dog", "fox")]
    made = {f"{stem}-{name}.{suffix}" for name in names for stem, suffix in (("a", "png"), ("b", "jpg"))}
    assert set(files(tmp_path / "out")) == set(files(tmp_path / "both")) == made
    assert read_recipe("out/a-fox-sdedit-7.png")["seed"] == 7
    assert "ddim draws nothing at random" in done.err
    with Image.open("out/a-dog-ddim-0.png") as one, Image.open("out/a-dog-ddim-7.png") as other:
        assert one.tobytes() == other.tobytes()
    with Image.open("sheet.png") as sheet, Image.open("out/b-fox-ddim-7.jpg") as last:
        assert sheet.height > 8 * (SIDE + GAP)  # two photographs, two methods, two seeds
        cell = sheet.crop((sheet.width - SIDE - GAP, sheet.height - SIDE - GAP, sheet.width - GAP, sheet.height - GAP))
        middle = last.resize((SIDE, SIDE * 3 // 4), Image.Resampling.LANCZOS)
        apart = zip(cell.crop((0, 24, SIDE, 168)).tobytes(), middle.tobytes(), strict=True)
        assert sum(abs(a - b) for a, b in apart) / len(middle.tobytes()) < 3


def test_lists_that_are_none(edit, shelf):
    refused(edit("in/a.png", "--seeds", "0,x"), 2, "--seeds takes whole numbers with commas between, as in 0,1,2")
    refused(edit("in/a.png", "--seeds", "1,1"), 2, "--seeds has one of 1, 1 twice")
    refused(edit("in/a.png", "--method", "sdedit,nothing"), 2, "nothing")
    refused(edit("in/a.png", "in/b.jpg", "-o", "-"), 2, "-o - writes one picture to standard output")
    refused(edit("-", "-"), 2, "give it once")


def test_a_sheet_has_what_failed_in_grey_and_no_row_without_a_photograph(edit, capsys, shelf, checkpoint):
    Image.new("RGB", (20000, 16), "red").save("in/wide.png")  # more than a WebP holds
    done = edit("in/a.png", "in/broken.png", "in/wide.png", "--keep-going", "--format", "webp", "--sheet", "sheet.png")
    assert done.code == 1 and "left out: in/wide.png: WEBP holds at most 16383 px" in done.err
    with Image.open("sheet.png") as sheet:
        assert (SIDE + GAP) * 2 < sheet.height < (SIDE + GAP) * 3
        assert sheet.getpixel((sheet.width - GAP - 9, sheet.height - GAP - 9)) == (211, 211, 211)
    assert edit("in/broken.png", "--keep-going", "--sheet", "none.png").code == 1
    assert not os.path.exists("none.png")
