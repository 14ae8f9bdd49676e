"""Named pipes, devices and loops of links in the place of files, for every verb: nothing waits for them.

A pipe that nobody writes into would be waited for without end, and a device be read without end.
"""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

import zeroshift
from tests.shell import KINDS, call, files, photograph, refused, within
from tests.tiny_student import tiny_student
from zeroshift.bench.items import read_plain
from zeroshift.files import read_text, sha256_of_file
from zeroshift.image.recipe import read_recipe
from zeroshift.miniature.data import CaptionedFolder

WORDS = ("--source", "cat", "--target", "dog")
MODEL = ("--model", "MODEL", "--threads", "1")
EDIT = ("edit", "cat.png", *WORDS, "--method", "sdedit", "--steps", "2", "--threads", "1")
PLAIN = ("a.safetensors", *WORDS[:2], "-o", "x.safetensors")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    photograph(tmp_path / "cat.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes")
@pytest.mark.parametrize(
    "tokens",
    [
        (*EDIT, "--model", "PIPE"),
        (*EDIT, *MODEL[:2], "--segmenter", "PIPE", "--mask", "auto"),
        (*EDIT, *MODEL[:2], "--segmenter", "PIPE.onnx", "--mask", "auto"),
        (*EDIT, *MODEL[:2], "--lora", "PIPE"),
        (*EDIT, *MODEL[:2], "--lora", "PIPE:0.5"),
        (*EDIT, *MODEL[:2], "--clip", "PIPE"),
        (*EDIT, *MODEL[:2], "--captioner", "PIPE"),
        (*EDIT, *MODEL[:2], "--captioner", "PIPE.csv"),
        (*EDIT, *MODEL[:2], "--mask", "PIPE"),
        ("edit", "PIPE.png", *EDIT[2:], *MODEL[:2]),
        ("edit", "cat.png", "--student", "PIPE", "--target", "dog"),
        ("invert", "PIPE.png", "--source", "cat", "-o", "x.safetensors", *MODEL),
        ("caption", "PIPE.png", *MODEL),
        ("keep", "PIPE.png", "cat.png", "-o", "x.png"),
        ("keep", "cat.png", "PIPE.png", "-o", "x.png"),
        ("keep", "cat.png", "cat.png", "--mask", "PIPE.png", "-o", "x.png"),
        ("redo", "PIPE.png"),
        ("direction", "show", "PIPE.safetensors"),
        ("direction", "export", "PIPE.safetensors", "-o", "x.pt"),
        ("direction", "import", "PIPE.pt", "PIPE.pt", *WORDS, "-o", "x.safetensors"),
        (
            *("direction", "make", *WORDS, "-o", "x.safetensors", "--source-sentences", "PIPE.txt"),
            *("--target-sentences", "PIPE.txt", *MODEL),
        ),
        ("convert", "PIPE.safetensors", "out"),
        ("convert", "PIPE.ckpt", "out"),
        ("cost", "--model", "PIPE"),
        ("doctor", "PIPE"),
        ("distill", "collect", "PIPE.jpg", *WORDS, "-o", "pairs", *MODEL),
        ("distill", "train", "PIPE", "-o", "student"),
        ("distill", "export", "PIPE", "-o", "x.onnx"),
        ("bench", "run", "PIPE", "-o", "out", "--method", "ddim", *MODEL),
        ("bench", "score", "PIPE", "."),
        ("bench", "report", "PIPE.csv", "-o", "x.html"),
        ("quality", "PIPE", "-o", "measured"),
        ("quality", ".", "-o", "measured", "--model", "PIPE"),
        ("serve", "--api-keys", "PIPE"),
        ("serve", "--model", "PIPE", "--port", "0"),
    ],
    ids=" ".join,
)
def test_a_pipe_as_a_file_of_a_verb(capsys, checkpoint, tmp_path, tokens):
    given = [token.replace("MODEL", str(checkpoint)) for token in tokens]
    for name in {token.partition(":")[0] for token in given if "PIPE" in token}:
        os.mkfifo(name)
    before = files(tmp_path)
    with within(60):
        done = call(capsys, *given)
    assert done.code in (1, 2), done
    refused(done, done.code, "PIPE")
    assert "unexpected" not in done.err and "There is no" not in done.err, done.err
    assert files(tmp_path) == before
    assert all(Path(name).is_fifo() for name in os.listdir() if "PIPE" in name)


def benchmark(folder: Path) -> Path:
    """A benchmark of one item."""
    folder.mkdir()
    shutil.copy("cat.png", folder)
    row = {name: "cat" for name in ("name", "source", "target", "source_prompt", "target_prompt", "task")}
    table = {"name": "b", "items": [row | {"picture": "cat.png", "target": "dog", "target_prompt": "a dog"}]}
    (folder / "items.json").write_text(json.dumps(table))
    return folder


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes")
@pytest.mark.parametrize(
    ("place", "tokens"),
    [
        ("b/items.json", ("bench", "run", "b", "-o", "out", "--method", "ddim", *MODEL)),
        ("b/items.json", ("bench", "score", "b", "b")),
        ("b/mapping_file.json", ("bench", "run", "b", "-o", "out", "--method", "ddim", *MODEL)),
        ("b/a_ti2i.yaml", ("bench", "run", "b", "-o", "out", "--method", "ddim", *MODEL)),
        ("b/plan.json", ("bench", "run", "b", "-o", "out", "--plan", "b/plan.json", *MODEL)),
        ("b/captions.csv", ("quality", "b", "-o", "measured")),
        ("b/about.json", ("distill", "train", "b", "-o", "learned")),
        ("student/config.json", ("distill", "export", "student", "-o", "x.onnx")),
        ("student/model.safetensors", ("edit", "cat.png", "--student", "student", "--target", "dog")),
        ("model/model_index.json", (*EDIT, "--model", "model")),
        ("model/presets.json", (*EDIT, "--model", "model")),
        ("model/words.json", (*EDIT, "--model", "model")),
        ("model/unet/config.json", ("cost", "--model", "model")),
        ("model/unet/config.json", ("doctor", "model")),
        ("model/unet/config.json", ("convert", "model", "out")),
    ],
    ids=lambda one: one if isinstance(one, str) else " ".join(one),
)
def test_a_pipe_inside_of_a_folder(capsys, checkpoint, tmp_path, place, tokens):
    benchmark(tmp_path / "b")
    tiny_student(tmp_path / "student")
    shutil.copytree(checkpoint, tmp_path / "model")
    (tmp_path / place).unlink(missing_ok=True)
    os.mkfifo(place)
    if place in ("b/mapping_file.json", "b/a_ti2i.yaml"):
        (tmp_path / "b/items.json").unlink()
    before = files(tmp_path)
    with within(60):
        done = call(capsys, *(token.replace("MODEL", str(checkpoint)) for token in tokens))
    assert done.code in (1, 2), done
    refused(done, done.code, "b is no folder of pairs" if "about" in place else Path(place).name)
    assert "unexpected" not in done.err, done.err
    assert files(tmp_path) == before and Path(place).is_fifo()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes")
def test_a_pipe_among_the_photographs_of_a_benchmark(capsys, checkpoint, tmp_path):
    """It fails as any photograph that cannot be read, and the others of a benchmark would be edited."""
    (benchmark(tmp_path / "b") / "cat.png").unlink()
    os.mkfifo("b/cat.png")
    few = ("--method", "ddim", "--strengths", "1", "--model", checkpoint, "--threads", "1")
    with within(60):
        done = call(capsys, "bench", "run", "b", "-o", "out", *few)
    assert done.code == 1 and "cat.png cannot be read (it is a pipe or a device, not a file)" in done.err, done


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "read", [sha256_of_file, read_text, read_recipe, lambda path: read_plain(path.parent), CaptionedFolder.open]
)
def test_what_reads_files_waits_for_none(tmp_path, kind, read):
    place = tmp_path / "items.json"
    KINDS[kind](place)
    with within(20), pytest.raises((OSError, ValueError)):
        read(place)


READS = re.compile(
    r"\.read_bytes\(\)|\.read_text\(|\b(?:safe_open|load_file|ZipFile)\(|(?:torch\.load|tarfile\.open)\((?!io\.)"
)
GUARDED = {
    "backbones/alone.py",  # a checkpoint whose head was read
    "backbones/original.py",
    "backbones/tokenizer.py",  # the package's own files, and the system's
    "bench/papers.py",
    "diffusion/machine.py",
    "distillation/exporting.py",
    "ui/homes.py",
    "ui/look.py",
    "cli/sentences_from.py",  # files that were looked at
    "control/perceptual.py",
    "evaluation/imagenet.py",
    "evaluation/lpips.py",
    "ui/filed.py",
    "ui/work.py",
}
"""modules whose files are not a user's, or were seen to be files before"""


def test_no_module_reads_files_by_itself():
    """Whatever reads a file that somebody names does so by ``files.regular``, ``read_regular`` or ``read_text``."""
    root = Path(zeroshift.__file__).parent
    lines = {
        path.relative_to(root).as_posix(): [line for line in path.read_text("utf-8").splitlines() if READS.search(line)]
        for path in root.rglob("*.py")
    }
    bare = {name for name, found in lines.items() if any("regular(" not in line for line in found)}
    assert bare - GUARDED - {"files.py", "directions/exchange.py"} == set()


def test_what_is_no_folder_is_said(capsys, checkpoint):
    """Where results cannot go, the sentence says what is there, and not that it "exists"."""
    os.symlink("loop.jpg", "loop.jpg")
    for where in ("/dev/null", "loop.jpg/x.png", "cat.png/x.png"):
        refused(call(capsys, *EDIT, "--model", checkpoint, "-o", where), 1, "is no folder", "choose a folder")
    refused(call(capsys, "quality", ".", "-o", "loop.jpg"), 1, "loop.jpg", "is no folder", "choose another folder")
    collected = call(capsys, "distill", "collect", "loop.jpg", *WORDS, "-o", "pairs", "--model", checkpoint)
    refused(collected, 1, "loop.jpg cannot be read", "check the path")


def test_a_model_that_is_no_folder(capsys):
    refused(call(capsys, "quality", ".", "-o", "out", "--model", "nowhere"), 1, "There is no folder nowhere")
