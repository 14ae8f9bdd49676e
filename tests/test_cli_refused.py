"""Bad files and broken-off work: one clear sentence on stderr, a non-zero exit code, and nothing half-written."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from tests.shell import altered, call, edit, files, photograph, refused
from zeroshift.cli.main import main


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photograph(tmp_path / "cat.png")


def test_not_an_image(capsys, checkpoint, tmp_path):
    (tmp_path / "cat.txt").write_text("not a picture")
    refused(edit(capsys, checkpoint, "cat.txt"), 1, "cat.txt is not a picture")
    refused(edit(capsys, checkpoint, "nowhere.png"), 1, "nowhere.png does not exist")


def test_truncated_and_empty(capsys, checkpoint, tmp_path):
    (tmp_path / "half.png").write_bytes((tmp_path / "cat.png").read_bytes()[:500])
    (tmp_path / "empty.png").touch()
    refused(edit(capsys, checkpoint, "half.png"), 1, "half.png is a damaged or truncated PNG")
    refused(edit(capsys, checkpoint, "empty.png"), 1, "empty.png is an empty file")


def test_too_small_and_too_large(capsys, checkpoint, tmp_path):
    photograph(tmp_path / "thin.png", 40, 15)
    refused(edit(capsys, checkpoint, "thin.png"), 1, "40x15 px", "at least 16 px")
    refused(
        edit(capsys, checkpoint, "cat.png", "--max-megapixels", "0.001"), 1, "0.0012 megapixels", "--max-megapixels"
    )


def test_animated_gif(capsys, checkpoint, tmp_path):
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    refused(edit(capsys, checkpoint, "moving.gif"), 1, "holds 2 frames")


def test_folder_instead_of_a_file(capsys, checkpoint, tmp_path):
    (tmp_path / "cats").mkdir()
    refused(edit(capsys, checkpoint, "cats"), 1, "There are no pictures in the folder cats", "--recursive")


def test_files_that_are_not_what_they_are_given_as(capsys, checkpoint, tmp_path):
    (tmp_path / "junk.safetensors").write_bytes(b"junk")
    refused(call(capsys, "direction", "show", "junk.safetensors"), 1, "is not an edit direction")
    refused(edit(capsys, checkpoint, "cat.png", "--direction", "junk.safetensors"), 1, "is not an edit direction")
    refused(edit(capsys, checkpoint, "cat.png", "--inversion-file", "junk.safetensors"), 1, "is not an inversion")
    refused(call(capsys, "quality", "cat.png", "-o", "q"), 1)


def test_checkpoints_that_cannot_be_used(capsys, checkpoint, tmp_path):
    shutil.copytree(checkpoint, tmp_path / "headless")
    shutil.rmtree(tmp_path / "headless/unet")
    refused(edit(capsys, tmp_path / "headless", "cat.png"), 1, "has no unet folder")
    shutil.copytree(checkpoint, tmp_path / "pickled")
    weights = tmp_path / "pickled/unet/diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    refused(edit(capsys, tmp_path / "pickled", "cat.png"), 1, "pickled weights", ".safetensors only")
    refused(edit(capsys, tmp_path / "nowhere", "cat.png"), 1, "no folder")
    assert "out" not in {name.split("/")[0] for name in files(tmp_path)}


def test_numbers_that_are_none(capsys, checkpoint, tmp_path):
    broken = altered(checkpoint, tmp_path / "broken", float("nan"))
    refused(edit(capsys, broken, "cat.png"), 1, "values that are not numbers")
    assert not files(tmp_path / "out")


def test_output_that_cannot_be_written(capsys, checkpoint, tmp_path):
    (tmp_path / "file").write_text("in the way")
    refused(edit(capsys, checkpoint, "cat.png", "-o", "file/dog.png"), 1, "file/dog.png cannot be written")
    inverted = ("cat.png", "--source", "cat", "-o", "file/x.safetensors", "--model", checkpoint)
    refused(call(capsys, "invert", *inverted), 1, "file/x.safetensors cannot be written")
    assert files(tmp_path) == ["cat.png", "file"]


def test_read_only_folder(capsys, checkpoint, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    if os.access(locked, os.W_OK):  # root, who may write everywhere but where the kernel says no
        locked = Path("/proc")
    refused(edit(capsys, checkpoint, "cat.png", "-o", locked / "dog.png"), 1, "dog.png cannot be written")


def test_full_disk(capsys, checkpoint, tmp_path):
    """A limit on the size of files stands for a full disk: writing fails midway, after the check of the folder."""
    photograph(tmp_path / "large.png", 300, 300)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    try:
        done = edit(capsys, checkpoint, "large.png", "-o", "small/dog.png")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    refused(done, 1, "small/dog.png cannot be written", "too large")
    assert not files(tmp_path / "small")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c(checkpoint, tmp_path):
    words = ("--source", "cat", "--target", "dog", "--model", str(checkpoint), "--steps", "999")
    command = [sys.executable, "-m", "zeroshift", "edit", "cat.png", *words]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a background shell has children ignore it
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heard)
    while not (tmp_path / "out").is_dir():  # made just before the model is loaded
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    assert err == "zeroshift: error: stopped; what was not finished was not written.\n"
    assert files(tmp_path) == ["cat.png"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_while_training(tmp_path):
    pytest.importorskip("lightning")
    (tmp_path / "cats").mkdir()
    names = [photograph(tmp_path / f"cats/{k}.png", 32, 32, seed=k).name for k in range(4)]
    (tmp_path / "cats/captions.csv").write_text("file,caption\n" + "".join(f"{n},a photo of a cat\n" for n in names))
    command = [sys.executable, "-m", "zeroshift", "train", "cats", "--size", "32", "--precision", "fp32"]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with (tmp_path / "err").open("w") as err:  # a pipe would fill with bars
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err, preexec_fn=heard)
        while not (tmp_path / "run/autoencoder/log").is_dir():  # Lightning has begun
            assert process.poll() is None, (tmp_path / "err").read_text()
            time.sleep(0.1)
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate()
    assert (process.returncode, out) == (130, b"")
    assert "zeroshift: error: stopped; what was not finished was not written." in (tmp_path / "err").read_text()
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("tokens", [["-o", "cat.png/model"], ["--run", "cat.png/run"], ["-o", "cat.png/a/model"]])
def test_training_whose_results_could_not_be_written(capsys, tmp_path, tokens):
    pytest.importorskip("lightning")
    refused(call(capsys, "train", "cats", *tokens), 1, "cannot be written into")
    assert files(tmp_path) == ["cat.png"]


def test_training(capsys, tmp_path):
    pytest.importorskip("lightning")
    refused(call(capsys, "train", "cats", "--size", "40"), 2, "--size of train", "multiple of 32")
    refused(call(capsys, "train", "cats"), 1, "cats")
    assert files(tmp_path) == ["cat.png"]


def test_a_missing_extra(capsys, monkeypatch):
    # the package's attribute goes back as well, or later tests would find the half-imported one
    monkeypatch.delattr("zeroshift.miniature.training", raising=False)
    for name in [name for name in sys.modules if name.startswith("zeroshift.miniature.training")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "lightning", None)
    how = 'install the extra train (in a clone: pip install -e ".[train]" -c constraints.txt)'
    refused(call(capsys, "train", "cats"), 1, "needs lightning", how)


def test_debug_shows_where():
    with pytest.raises(ValueError, match="does not exist"):
        main(["edit", "nowhere.png", "--source", "cat", "--target", "dog", "--debug"])
