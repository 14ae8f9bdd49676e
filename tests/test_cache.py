"""The cache of encoded sentences: the same bytes with and without it, damage, room, and two processes."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.shell import call, edit, photograph, refused
from tests.tiny import text_encoder, tiny_backbone
from tests.tiny_xl import tiny_xl_backbone
from tests.watch import calls
from zeroshift.cache import SUFFIX, MeanFolder, cache_folder
from zeroshift.conditioning.direction import direction_of_words
from zeroshift.conditioning.means import Moments, keep_means, mean_key
from zeroshift.diffusion.backbone import Identity
from zeroshift.diffusion.embedding import Embedding
from zeroshift.doubts import Doubt
from zeroshift.loading import load

ABOUT = {"model": "tiny", "sentences": "3", "first": "a cat"}


def mean(seed: int, pooled: bool = True) -> Moments:
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(1, 4, 5, dtype=torch.float64, generator=generator)
    vector = torch.randn(1, 3, dtype=torch.float64, generator=generator) if pooled else None
    return Moments(Embedding(tokens, pooled=vector), 0.1 + seed)


def fresh(folder: Path | None):
    """A model as a new process loads it."""
    backbone = tiny_backbone(torch.float32)
    if folder is not None:
        keep_means(backbone, MeanFolder(folder))
    return backbone


@pytest.mark.parametrize("pooled", [True, False])
def test_what_is_kept_comes_back_to_the_bit(tmp_path, pooled: bool):
    MeanFolder(tmp_path).put("a", mean(1, pooled), ABOUT)
    kept = MeanFolder(tmp_path).get("a")
    found, wanted = kept.mean, mean(1).mean
    assert torch.equal(found.tokens, wanted.tokens) and found.tokens.dtype == torch.float64
    assert torch.equal(found.pooled, wanted.pooled) if pooled else found.pooled is None
    assert kept.square == 1.1
    assert MeanFolder(tmp_path).get("b") is None
    assert [kept.about() for kept in MeanFolder(tmp_path).entries()] == [ABOUT]


def test_a_words_sentences_are_encoded_once_on_a_machine(tmp_path):
    plain = direction_of_words(fresh(None), "cat", "dog", 20)
    for words, encoded in ((("cat", "dog"), 2), (("cat", "dog"), 0), (("dog", "cat"), 0), (("cat", "fox"), 1)):
        backbone = fresh(tmp_path)
        with calls(backbone.text_encoder) as seen:
            made = direction_of_words(backbone, *words, 20)
        assert len(seen) == encoded
        if words == ("cat", "dog"):
            assert made.sha256 == plain.sha256 and made.provenance == plain.provenance


def test_two_text_encoders_and_their_pooled_vector_are_kept(tmp_path):
    for n in range(2):
        backbone = tiny_xl_backbone(torch.float32, tmp_path / f"words-{n}")
        plain = direction_of_words(backbone, "cat", "dog", 20)
        again = tiny_xl_backbone(torch.float32, tmp_path / f"again-{n}")
        keep_means(again, MeanFolder(tmp_path))
        with calls(again.text_encoders[1]) as seen:
            kept = direction_of_words(again, "cat", "dog", 20)
        assert len(seen) == (0 if n else 2) and kept.sha256 == plain.sha256
        assert kept.pooled is not None and torch.equal(kept.pooled, plain.pooled)


def test_a_key_holds_all_that_the_bits_depend_on(monkeypatch):
    one, said = fresh(None), ["a cat", "a dog"]
    key = mean_key(one, said)
    assert mean_key(fresh(None), said) == key
    changed = text_encoder()
    changed.get_input_embeddings().weight.data[0, 0] += 0.01
    others = [
        mean_key(one, said[::-1]),
        mean_key(one, ["a cat\na dog"]),
        mean_key(tiny_backbone(torch.float64), said),
        mean_key(replace(one, identity=Identity("tiny", "1" * 64)), said),
        mean_key(replace(one, text_encoder=changed), said),
    ]
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    others.append(mean_key(one, said))
    assert len({key, *others}) == 1 + len(others)


def test_the_encoder_counts_and_not_the_network_that_it_tells():
    one = tiny_backbone(torch.float32)
    half = tiny_backbone(torch.float16)
    assert one.text_sha256 == half.text_sha256 and len(one.text_sha256) == 64
    changed = text_encoder()
    changed.config.hidden_act = "gelu"
    assert replace(one, text_encoder=changed).text_sha256 != one.text_sha256


def damaged(path: Path) -> dict[str, bytes]:
    data = path.read_bytes()
    flipped = bytearray(data)
    flipped[-3] ^= 1
    return {"empty": b"", "cut": data[:-9], "text": b"no tensors at all", "one bit": bytes(flipped)}


@pytest.mark.parametrize("how", ["empty", "cut", "text", "one bit"])
def test_a_damaged_file_is_made_anew_and_told_once(tmp_path, how: str):
    first = direction_of_words(fresh(tmp_path), "cat", "dog", 5)
    path = MeanFolder(tmp_path).entries()[0].path
    good = path.read_bytes()
    path.write_bytes(damaged(path)[how])
    with pytest.warns(
        Doubt, match=f"{path.name} in the cache of edit directions is damaged .* and is made anew"
    ) as all_:
        again = direction_of_words(fresh(tmp_path), "cat", "dog", 5)
    assert len(all_) == 1 and again.sha256 == first.sha256 and path.read_bytes() == good
    assert direction_of_words(fresh(tmp_path), "cat", "dog", 5).sha256 == first.sha256  # a warning would be an error


def test_least_recently_used_goes_first(tmp_path):
    one = tmp_path / "means" / "size"
    store = MeanFolder(tmp_path)
    store.put("size", mean(0), ABOUT)
    size = store.entries()[0].bytes
    store.clear()
    store = MeanFolder(tmp_path, most_bytes=2 * size)
    for k, key in enumerate("ab"):
        store.put(key, mean(k), ABOUT)
        os.utime(one.with_name(f"{key}{SUFFIX}"), (k, k))
    assert store.get("a") is not None  # used now: b is the oldest
    store.put("c", mean(3), ABOUT)
    assert sorted(kept.path.name.removesuffix(SUFFIX) for kept in store.entries()) == ["a", "c"]
    MeanFolder(tmp_path, most_bytes=size - 1).put("d", mean(4), ABOUT)
    assert sorted(kept.path.name.removesuffix(SUFFIX) for kept in store.entries()) == ["a", "c"]


def test_unfinished_files_of_a_killed_process_go_in_time(tmp_path):
    store = MeanFolder(tmp_path)
    store.put("a", mean(1), ABOUT)
    old, new = (store.folder / f".zeroshift-{name}.tmp" for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    store.put("b", mean(2), ABOUT)
    assert not old.exists() and new.exists()
    assert store.clear()[0] == 3 and not any(store.folder.iterdir())


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.warns(Doubt, match="cannot be written .* name another folder, or none"):
        made = direction_of_words(fresh(tmp_path / "file"), "cat", "dog", 5)
    assert made.sha256 == direction_of_words(fresh(None), "cat", "dog", 5).sha256


@pytest.mark.slow
def test_two_processes_share_a_folder(tmp_path):
    """Both write and make room at once; whatever one reads is whole."""
    code = (
        "import sys, torch; from zeroshift.cache import MeanFolder\n"
        "from zeroshift.conditioning.means import Moments\n"
        "from zeroshift.diffusion.embedding import Embedding\n"
        "store = MeanFolder(__import__('pathlib').Path(sys.argv[1]), most_bytes=20_000)\n"
        "for k in range(150):\n"
        "    store.put(str(k % 7), Moments(Embedding(torch.full((1, 8, 64), float(k % 7))), 1.0), {})\n"
        "    found = store.get(str((k + 3) % 7))\n"
        "    assert found is None or bool((found.mean.tokens == (k + 3) % 7).all())\n"
    )
    run = [sys.executable, "-W", "error", "-c", code, str(tmp_path)]
    both = [subprocess.Popen(run, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    assert sum(kept.bytes for kept in MeanFolder(tmp_path).entries()) <= 20_000


def test_where_the_cache_is(monkeypatch, tmp_path):
    assert cache_folder() == Path(os.environ["ZEROSHIFT_CACHE"])
    monkeypatch.setenv("ZEROSHIFT_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert cache_folder() == tmp_path / "zeroshift"


def test_load_takes_a_folder_or_none(checkpoint, tmp_path):
    for cache, files in ((False, 0), (tmp_path, 2), (str(tmp_path), 2)):
        direction_of_words(load(checkpoint, device="cpu", cache=cache).backbone, "cat", "dog", 5)
        assert len(MeanFolder(tmp_path).entries()) == files


def test_the_command_line_keeps_lists_and_clears(capsys, checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photograph(Path("cat.png"))
    here = ("--cache", "kept")
    assert edit(capsys, checkpoint, "cat.png", "--no-cache", "-o", "a.png").code == 0
    assert not Path("kept").exists()
    for name in ("b.png", "c.png"):
        assert edit(capsys, checkpoint, "cat.png", *here, "-o", name).code == 0
    assert len({Path(name).read_bytes() for name in ("a.png", "b.png", "c.png")}) == 1
    listed = call(capsys, "cache", "list", *here).out.splitlines()
    assert len(listed) == 2 and "tiny  10 sentences from " in listed[0]
    rows = [json.loads(line) for line in call(capsys, "cache", "list", *here, "--json").out.splitlines()]
    facts, captions = map(json.loads, call(capsys, "cache", "size", *here, "--json").out.splitlines())
    assert facts["files"] == 2 and facts["bytes"] == sum(row["bytes"] for row in rows) < facts["most_bytes"]
    assert (captions["path"], captions["files"]) == (str(Path("kept/captions")), 0)
    assert "2 files" in call(capsys, "cache", "size", *here).out
    Path(rows[0]["path"]).write_bytes(b"")
    told = edit(capsys, checkpoint, "cat.png", *here, "-o", "d.png")
    assert told.err.count("is damaged") == 1
    assert Path("d.png").read_bytes() == Path("a.png").read_bytes()
    assert "damaged" not in edit(capsys, checkpoint, "cat.png", *here, "-o", "d.png").err
    assert "2 files" in call(capsys, "cache", "clear", *here).out
    assert call(capsys, "cache", "list", *here).out == ""
    refused(edit(capsys, checkpoint, "cat.png", *here, "--no-cache"), 2, "--cache", "--no-cache")


def test_other_files_of_the_folder_are_nobodys_business(tmp_path):
    store = MeanFolder(tmp_path)
    store.put("a", mean(1), ABOUT)
    own = [tmp_path / "directions" / "cat-dog.safetensors", store.folder / "mine.safetensors"]
    for path in own:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"somebody's direction")
    assert len(store.entries()) == 1
    MeanFolder(tmp_path, most_bytes=store.entries()[0].bytes).put("b", mean(2), ABOUT)  # makes room
    assert store.clear()[0] == 1 and all(path.exists() for path in own)


def test_a_file_that_says_something_else_is_damaged(tmp_path):
    store = MeanFolder(tmp_path)
    store.put("a", mean(1), {"name": "another program's"})
    assert store.entries()[0].about() == {}
