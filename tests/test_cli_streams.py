"""Standard output and errors that are closed or full, and names that they have no letters for."""

import io
import os
import sys
from pathlib import Path

import pytest

from tests.shell import files, photograph
from zeroshift.cli import cost
from zeroshift.cli.main import UNREAD, main

FULL = Path("/dev/full")
full_disk = pytest.mark.skipif(not FULL.exists(), reason="Linux's full device")


@pytest.fixture
def edit(tmp_path, monkeypatch, checkpoint):
    """Edit a photograph of a name, and return the exit code."""
    monkeypatch.chdir(tmp_path)

    def run(name: str = "cat.png", *tokens: str) -> int:
        photograph(tmp_path / name)
        words = ("--source", "cat", "--target", "dog", "--method", "sdedit", "--steps", "2", "--threads", "1")
        with pytest.raises(SystemExit) as ended:
            main(["edit", name, *words, "--model", str(checkpoint), *tokens])
        return ended.value.code

    return run


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_closed_stream(edit, tmp_path, monkeypatch, name):
    monkeypatch.setattr(sys, name, None)
    assert edit() == 0
    assert files(tmp_path) == ["cat.png", "out/cat-dog-sdedit-0.png"]
    with getattr(sys, name) as nothing:
        assert nothing.name == os.devnull


@full_disk
def test_full_standard_output_loses_no_picture_silently(edit, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", FULL.open("w"))
    assert edit() == 1
    said = capsys.readouterr().err
    assert "out/cat-dog-sdedit-0.png is written, but standard output takes no more (No space left" in said
    assert files(tmp_path) == ["cat.png", "out/cat-dog-sdedit-0.png"]
    sys.stdout.close()


@full_disk
@pytest.mark.parametrize("tokens", [["methods"], ["cost", "--steps", "2"], ["methods", "--json"], ["keep", "--help"]])
def test_full_standard_output_is_named(monkeypatch, capsys, tokens):
    """What was being written is said, and not only that there is no space left."""
    monkeypatch.setattr(cost, "PATIENCE", 600)
    monkeypatch.setattr(sys, "stdout", FULL.open("w"))
    with pytest.raises(SystemExit) as ended:
        main(tokens)
    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        "zeroshift: error: Standard output takes no more (No space left on device); make room, or lead it elsewhere.\n"
    )
    sys.stdout.close()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes")
@pytest.mark.parametrize("tokens", [["methods"], ["cost", "--steps", "2"]])
def test_nobody_reads_on(monkeypatch, capsys, tokens):
    """As of a program that SIGPIPE ends, without a word."""
    monkeypatch.setattr(cost, "PATIENCE", 600)
    reading, writing = os.pipe()
    os.close(reading)
    monkeypatch.setattr(sys, "stdout", os.fdopen(writing, "w"))
    with pytest.raises(SystemExit) as ended:
        main(tokens)
    assert ended.value.code == UNREAD
    assert capsys.readouterr().err == ""
    sys.stdout.close()


@full_disk
def test_full_standard_errors(edit, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", FULL.open("w"))
    assert edit("cat.png", "--fit", "squash") == 2
    assert capsys.readouterr().out == ""
    assert files(tmp_path) == ["cat.png"]
    sys.stderr.close()


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
def test_a_name_that_is_not_utf8(edit, tmp_path, capsys):
    name = os.fsdecode(b"cat\xff.png")
    assert edit(name) == 0
    assert capsys.readouterr().out.startswith(r"out/cat\udcff-dog-sdedit-0.png  (")
    assert (tmp_path / "out" / os.fsdecode(b"cat\xff-dog-sdedit-0.png")).is_file()


def test_empty_standard_input_is_named(edit, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    assert edit("cat.png", "-") == 1
    assert "Standard input is empty, expected a picture" in capsys.readouterr().err
    assert files(tmp_path) == ["cat.png"]
