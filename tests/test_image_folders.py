"""Files, folders and patterns that stand for pictures."""

import os
from pathlib import Path

import pytest

from zeroshift.image import ImageError
from zeroshift.image.folders import Found, find_pictures


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("in/b.JPG", "in/a.png", "in/notes.txt", "in/.hidden.png", "in/deep/c.webp", "in/deep/er/d.tif"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    Path("empty").mkdir()


def found(*names: str, **options) -> list[str]:
    return [str(one.path) for one in find_pictures([Path(name) for name in names], **options)]


def test_a_folder_stands_for_its_pictures_sorted():
    assert found("in") == ["in/a.png", "in/b.JPG"]
    assert found("in", recursive=True) == ["in/a.png", "in/b.JPG", "in/deep/c.webp", "in/deep/er/d.tif"]
    (deepest,) = (one for one in find_pictures([Path("in")], recursive=True) if one.path.stem == "d")
    assert deepest == Found(Path("in/deep/er/d.tif"), Path("deep/er"))


def test_a_file_stands_for_itself_whatever_it_is_called():
    assert found("in/notes.txt", "in/.hidden.png", "nowhere.png") == ["in/notes.txt", "in/.hidden.png", "nowhere.png"]


def test_patterns():
    assert found("in/*") == ["in/a.png", "in/b.JPG", "in/notes.txt"]
    assert found("in/**/*.[tw]*") == ["in/deep/c.webp", "in/deep/er/d.tif", "in/notes.txt"]
    Path("in/a[1].png").touch()
    assert found("in/a[1].png") == ["in/a[1].png"]


def test_each_file_once():
    os.symlink("in", "again")
    assert found("in/b.JPG", "in", "again") == ["in/b.JPG", "in/a.png"]


def test_results_and_linked_folders_are_not_looked_through():
    os.symlink("..", "in/deep/up")
    assert found("in", recursive=True, apart=Path("in/deep/er")) == ["in/a.png", "in/b.JPG", "in/deep/c.webp"]


@pytest.mark.parametrize(
    ("name", "recursive", "said"),
    [
        ("empty", False, "There are no pictures in the folder empty: name another, or look through its folders with"),
        ("empty", True, "There are no pictures in the folder empty: name another."),
        ("in/*.bmp", False, r"No file has a name like in/\*.bmp: check the pattern."),
    ],
)
def test_nothing_found_is_said(name, recursive, said):
    with pytest.raises(ImageError, match=said):
        found(name, recursive=recursive)
