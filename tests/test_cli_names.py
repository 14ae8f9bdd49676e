"""Names of files that begin with a dash or are not UTF-8, and Ctrl-C, for every verb that does work."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest
from diffusers import UNet2DConditionModel
from PIL import Image

from tests.shell import call, files, photograph, refused
from tests.tiny_student import tiny_student
from zeroshift.cli.main import INTERRUPTED, run

WORDS = ("--source", "cat", "--target", "dog")
FEW = ("--method", "sdedit", "--steps", "3")
DASH, BYTES = "-cat.png", os.fsdecode(b"cat\xff.png")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    photograph(tmp_path / "cat.png")


def benchmark(folder: Path, name: str) -> None:
    """A benchmark of one item whose picture has that name."""
    folder.mkdir()
    row = {key: "cat" for key in ("name", "source", "target", "source_prompt", "target_prompt", "task")}
    table = {"name": "b", "items": [row | {"picture": name, "target": "dog", "target_prompt": "a dog"}]}
    photograph(folder / name)
    (folder / "items.json").write_text(json.dumps(table))


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
@pytest.mark.parametrize(
    "tokens",
    [
        ("edit", "NAME", *WORDS, *FEW, "-o", "NAME-new.png", "HERE"),
        ("edit", "NAME", "--student", "student", "--target", "dog"),
        ("invert", "NAME", *WORDS[:2], "--steps", "2", "--inversion", "ddim", "-o", "NAME.safetensors", "HERE"),
        ("keep", "NAME", "cat.png", "-o", "NAME-new.png"),
        ("keep", "cat.png", "NAME", "--json"),
        ("direction", "make", *WORDS, "--count", "2", "-o", "NAME.safetensors", "HERE"),
        ("generate", "a cat", "--steps", "2", "-o", "NAME-new.png", "HERE"),
        ("bench", "run", "b", "-o", "NAME-ran", "--method", "ddim", "--strengths", "1", "HERE"),
        ("distill", "collect", "NAME", *WORDS, *FEW, "-o", "NAME-pairs", "--no-gains", "HERE"),
        ("convert", "MODEL", "NAME-model"),
    ],
    ids=lambda tokens: " ".join(tokens)[:60],
)
@pytest.mark.parametrize("name", [DASH, BYTES], ids=["dash", "bytes"])
def test_names(capsys, checkpoint, tmp_path, name, tokens):
    """Written as ./NAME each works, and what is printed can be printed; the bare name of a dash is explained."""
    photograph(tmp_path / name)
    tiny_student(tmp_path / "student")
    benchmark(tmp_path / "b", name.replace(BYTES, "cat.png"))
    there = ("--model", str(checkpoint), "--threads", "1")
    words = [token.replace("NAME", f"./{name}").replace("MODEL", str(checkpoint)) for token in tokens]
    done = call(capsys, *(word for token in words for word in (there if token == "HERE" else (token,))))
    assert done.code == 0 and "Traceback" not in done.err, done
    (done.out + done.err).encode("ascii", "backslashreplace")
    if tokens[1] == "NAME" and name == DASH:
        refused(call(capsys, tokens[0], name, *tokens[2:-1]), 2, f"write ./{name}")


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
@pytest.mark.parametrize("name", [DASH, BYTES], ids=["dash", "bytes"])
def test_an_edit_of_such_a_name_is_made_again(capsys, checkpoint, tmp_path, name):
    photograph(tmp_path / name)
    made = call(capsys, "edit", f"./{name}", *WORDS, *FEW, "-o", f"./new{name}", "--model", checkpoint, "-q")
    assert made.code == 0, made
    again = call(capsys, "redo", f"./new{name}", "--model", checkpoint, "--json")
    assert again.code == 0 and json.loads(again.out)["same_bytes"] is True, again


@pytest.fixture
def stopped_at(monkeypatch):
    """Let Ctrl-C come while the UNet runs for the n-th time."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    forward, passes = UNet2DConditionModel.forward, []

    def at(n: int) -> None:
        passes.clear()

        def counted(self, *args, **options):
            passes.append(1)
            if len(passes) == n:
                signal.raise_signal(signal.SIGINT)
            return forward(self, *args, **options)

        monkeypatch.setattr(UNet2DConditionModel, "forward", counted)

    yield at
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("passes", "tokens", "left"),
    [
        (2, ("edit", "cat.png", *WORDS, *FEW), 0),
        (4, ("edit", "cat.png", "dog.png", *WORDS, *FEW, "--batch", "1"), 1),
        (2, ("edit", *WORDS, *FEW), 0),
        (2, ("invert", "cat.png", *WORDS[:2], "--steps", "3", "--inversion", "ddim", "-o", "x.safetensors"), 0),
        (2, ("generate", "a cat", "--steps", "3"), 0),
        (2, ("bench", "run", "b", "-o", "ran", "--method", "ddim,sdedit", "--strengths", "1"), None),
        (60, ("bench", "run", "b", "-o", "ran", "--method", "sdedit", "--strengths", "0.7,1"), None),
        (2, ("distill", "collect", "cat.png", *WORDS, *FEW, "-o", "pairs", "--no-gains"), None),
    ],
    ids=lambda one: " ".join(one)[:50] if isinstance(one, tuple) else str(one),
)
def test_ctrl_c(capsys, checkpoint, tmp_path, stopped_at, passes, tokens, left):
    """Exit code 130 and a sentence; what is there is whole, and a benchmark or a collection goes on from it."""
    photograph(tmp_path / "dog.png", seed=1)
    benchmark(tmp_path / "b", "cat.png")
    before, own = files(tmp_path), [*tokens, "--model", str(checkpoint), "--threads", "1"]
    stopped_at(passes)
    assert run(own, debug=False) == INTERRUPTED
    said = capsys.readouterr().err
    assert said.endswith("zeroshift: error: stopped; what was not finished was not written.\n"), said
    assert "Traceback" not in said
    new = sorted(set(files(tmp_path)) - set(before))
    assert not [name for name in new if "tmp" in name or ".part" in name], new
    assert left is None or len(new) == left, new
    for name in new:
        if name.endswith((".png", ".webp")):
            Image.open(name).load()
    stopped_at(10**9)
    assert run(own, debug=False) == 0
