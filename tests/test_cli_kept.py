"""What is there already stays: numbered names, --overwrite, read-only files and links."""

import os

import pytest

from tests.shell import USUAL, call, edit, files, photograph, refused
from zeroshift.files import free
from zeroshift.image import read_recipe


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photograph(tmp_path / "cat.png")


@pytest.fixture
def generated(capsys, checkpoint):
    """One picture of a prompt, as quickly as that goes."""

    def generate(*tokens):
        return call(capsys, "generate", "a cat", "--steps", "2", "--model", checkpoint, *tokens)

    return generate


def test_an_edit_is_named_by_all_that_tells_it_from_others(capsys, checkpoint, tmp_path):
    few = ("--source", "cat", "--target", "dog", "--steps", "2", "--model", checkpoint)
    assert call(capsys, "edit", "cat.png", *few, "--method", "sdedit", "--seed", "7").code == 0
    assert call(capsys, "edit", "cat.png", *few, "--method", "ddim", "--strength", "0.5").code == 0
    assert files(tmp_path / "out") == ["cat-dog-0.5-ddim-0.png", "cat-dog-sdedit-7.png"]


def test_what_is_there_stays_and_the_new_name_is_told(capsys, checkpoint, tmp_path):
    both = ("--before-after", "both.png")
    edit(capsys, checkpoint, "cat.png", *both)
    first = (tmp_path / f"out/cat-dog-{USUAL}.png").read_bytes()
    again = edit(capsys, checkpoint, "cat.png", *both, "--fit", "pad")
    name, other = f"out/cat-dog-{USUAL}.png", f"out/cat-dog-{USUAL}-2.png"
    assert (again.code, again.out.split()[0]) == (0, other)
    assert (
        f"zeroshift: {name} is there and stays; writing {other} (2 files in all). --overwrite replaces it.\n"
    ) in again.err
    assert (tmp_path / name).read_bytes() == first
    assert read_recipe(tmp_path / other)["fit"] == "pad"
    assert {"both.png", "both-2.png", name, other} <= set(files(tmp_path))


def test_overwrite_replaces(generated, tmp_path):
    assert generated("-o", "a.png").code == 0
    done = generated("-o", "a.png", "--seed", "1", "--overwrite")
    assert (done.code, done.err, files(tmp_path)) == (0, "", ["a.png", "cat.png"])
    assert read_recipe("a.png")["seed"] == 1


def test_every_verb_keeps_what_is_there(capsys, checkpoint, tmp_path, generated):
    words = ("--source", "cat", "--model", checkpoint)
    invert = ("invert", "cat.png", *words, "--steps", "2", "-o", "cat.safetensors")
    make = ("direction", "make", *words, "--target", "dog", "--count", "2", "-o", "dog.safetensors")
    assert [generated("-o", "a.png").code for _ in range(2)] == [0, 0]
    for tokens in (invert, make, ("redo", "a.png", "--model", checkpoint)):
        assert [call(capsys, *tokens).code for _ in range(2)] == [0, 0]
    made = {"a.png", "a-2.png", "a-redo.png", "a-redo-2.png", "cat.safetensors", "cat-2.safetensors"}
    assert set(files(tmp_path)) == {"cat.png", *made, "dog.safetensors", "dog-2.safetensors"}


def test_a_report_keeps_the_one_that_is_there(capsys, checkpoint, tmp_path):
    few = ("--source", "cat", "--inversion", "redescription", "--steps", "2", "--model", checkpoint, "--quiet")
    for _ in range(2):
        assert call(capsys, "invert", "cat.png", *few, "--report", "told").code == 0
    report = ["attention.png", "report.json"]
    assert files(tmp_path) == ["cat.png", *(f"{folder}/{name}" for folder in ("told-2", "told") for name in report)]


def test_a_read_only_file_stays(generated, tmp_path):
    (tmp_path / "a.png").write_bytes(b"mine")
    (tmp_path / "a.png").chmod(0o444)
    refused(generated("-o", "a.png", "--overwrite"), 1, "a.png cannot be written (it is read-only)")
    assert generated("-o", "a.png").code == 0
    assert ((tmp_path / "a.png").read_bytes(), files(tmp_path)) == (b"mine", ["a-2.png", "a.png", "cat.png"])


def test_a_link_that_leads_nowhere_stays(generated, tmp_path):
    (tmp_path / "a.png").symlink_to("elsewhere/b.png")
    refused(generated("-o", "a.png", "--overwrite"), 1, "it is a link to a file that is not there")
    assert generated("-o", "a.png").code == 0
    assert (os.readlink(tmp_path / "a.png"), files(tmp_path)) == ("elsewhere/b.png", ["a-2.png", "cat.png"])


def test_through_a_link_its_file_is_replaced(generated, tmp_path):
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf/b.png").write_bytes(b"old")
    (tmp_path / "a.png").symlink_to("shelf/b.png")
    assert generated("-o", "a.png", "--overwrite").code == 0
    assert (tmp_path / "a.png").is_symlink()
    assert read_recipe("shelf/b.png")["prompt"] == "a cat"
    assert files(tmp_path) == ["a.png", "cat.png", "shelf/b.png"]


def test_names_that_are_free(tmp_path):
    for name in ("a.png", "a-2.png", "b.safetensors"):
        (tmp_path / name).touch()
    (tmp_path / "c.png").symlink_to("nowhere")
    names = {"a.png": "a-3.png", "b.safetensors": "b-2.safetensors", "c.png": "c-2.png", "d.png": "d.png"}
    assert {name: free(tmp_path / name).name for name in names} == names
    assert free(tmp_path / "a.png", {tmp_path / "a-3.png"}).name == "a-4.png"
