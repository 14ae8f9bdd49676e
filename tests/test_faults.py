"""What is wrong with files that somebody wrote: said in plain words, and not in a library's."""

import json
import re
import shutil
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn, zeros

from tests.shell import METHOD, call, edit, photograph, refused
from zeroshift.backbones.whole import read_object
from zeroshift.bench.items import read_plain
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.faults import plain
from zeroshift.recipe import parse_recipe

LIBRARIES = re.compile(r"[Ii]nput should|field required|[Vv]alidation error|Expecting|deserializ|\(char|state_dict")


class Inner(BaseModel):
    rows: Annotated[int, Field(ge=1, le=64)]
    name: Annotated[str, Field(max_length=3)] = ""
    kind: Literal["a", "b"] = "a"


@dataclass
class Outer:
    inner: Inner
    several: tuple[float, ...] = ()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{", "it is no JSON"),
        ("[]", "it is [], expected names with their values"),
        ("{}", "inner is missing"),
        ('{"inner": {}}', "inner.rows is missing"),
        ('{"inner": {"rows": 65}}', "inner.rows is 65, expected a number of at most 64"),
        ('{"inner": {"rows": 0}}', "inner.rows is 0, expected a number of at least 1"),
        ('{"inner": {"rows": "x"}}', "inner.rows is 'x', expected a whole number"),
        ('{"inner": {"rows": 1, "name": "abcd"}}', "inner.name is 'abcd', expected at most 3 characters"),
        ('{"inner": {"rows": 1, "kind": "c"}}', "inner.kind is 'c', expected one of: 'a' or 'b'"),
        ('{"inner": {"rows": 1}, "several": 5}', "several is 5, expected a list"),
        ('{"inner": {"rows": 1}, "several": [1, "x"]}', "several.1 is 'x', expected a number"),
        ('{"inner": {"rows": 1, "name": 5}}', "inner.name is 5, expected text"),
    ],
)
def test_data(written, said):
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Outer).validate_json(written)
    assert plain(caught.value) == said


def test_json_numbers_and_nesting():
    for text, said in (("", "it is empty"), ("{\n x", "it is no JSON from line 2, column 2 on")):
        with pytest.raises(ValueError) as caught:
            json.loads(text)
        assert plain(caught.value) == said
    with pytest.raises(RecursionError) as deep:
        json.loads("[" * 100_000)
    assert plain(deep.value) == "it is nested too deeply"
    with pytest.raises(UnicodeDecodeError) as bytes_:
        b"\xff".decode()
    assert plain(bytes_.value) == "it is no text in UTF-8"
    for kind, said in ((float, "'abc' is no number"), (int, "'abc' is no whole number")):
        with pytest.raises(ValueError) as number:
            kind("abc")
        assert plain(number.value) == said
    assert plain(KeyError("unet")) == "it has no unet"
    assert plain(FileNotFoundError(2, "No such file or directory", "x")) == "no such file or directory"


def test_tensors(tmp_path):
    whole = tmp_path / "whole.safetensors"
    save_file({"a": zeros(100)}, whole)
    data, part = whole.read_bytes(), tmp_path / "part.safetensors"
    for cut, said in (
        (b"junk", "it does not begin as a .safetensors file does"),
        (b"junk" * 99, "it does not begin as a .safetensors file does"),
        (data[:-9], "it is cut short"),
    ):
        part.write_bytes(cut)
        with pytest.raises(SafetensorError) as caught:
            load_file(part)
        assert plain(caught.value) == said
    with safe_open(whole, "pt") as file, pytest.raises(SafetensorError) as missing:
        file.get_tensor("b")
    assert plain(missing.value) == "it has no tensor b"


def test_weights_of_another_network():
    network = nn.Linear(2, 3)
    for state, said in (
        ({"weight": zeros(3, 2)}, "there are no weights bias"),
        ({"weight": zeros(2, 2), "bias": zeros(3)}, "the weights weight have another shape"),
        ({**network.state_dict(), "x": zeros(1)}, "there are weights x, which have no place"),
    ):
        with pytest.raises(RuntimeError) as caught:
            network.load_state_dict(state)
        assert plain(caught.value) == said


def test_files_of_a_project(tmp_path):
    (tmp_path / "items.json").write_text('{"items": []}')
    with pytest.raises(ValueError, match=r"items\.json is not a benchmark's table: name is missing\."):
        read_plain(tmp_path)
    with pytest.raises(ValueError, match=r"is damaged \(\w+ is missing\); edit anew"):
        parse_recipe({"command": "generate"}, "a.png")
    (tmp_path / "config.json").write_text("no JSON")
    with pytest.raises(Unsupported, match="it is no JSON from line 1, column 1 on"):
        read_object(tmp_path / "config.json", "the unet of tiny")


@pytest.mark.parametrize(
    ("place", "text", "said"),
    [
        ("classifier/config.json", '{"size": 16}', "architecture is missing"),
        ("vae/config.json", None, "'abc' is no number"),
        ("tokenizer/vocab.json", "no JSON", "it is no JSON from line 1, column 1 on"),
        ("unet/diffusion_pytorch_model.safetensors", "junk", "it does not begin as a .safetensors file does"),
    ],
)
def test_parts_of_a_model(capsys, checkpoint, tmp_path, monkeypatch, place, text, said):
    monkeypatch.chdir(tmp_path)
    photograph(Path("cat.png"))
    model = shutil.copytree(checkpoint, tmp_path / "model")
    if text is None:
        table = json.loads((model / place).read_text())
        text = json.dumps(table | {"scaling_factor": "abc"})
    (model / place).parent.mkdir(exist_ok=True)
    (model / place).write_text(text)
    if place.startswith("classifier"):
        (model / "classifier/model.safetensors").write_bytes(b"")
    if place.startswith("classifier"):
        done = call(capsys, "caption", "cat.png", "--model", model)
    else:
        done = edit(capsys, model, "cat.png", *METHOD)
    refused(done, 1, said)
    assert not LIBRARIES.search(done.err), done.err
