"""Captions that somebody wrote, in files."""

import csv
import hashlib
import json
from io import BytesIO, TextIOWrapper
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.captioned import seeing
from tests.shell import FEW, call, photograph, refused
from zeroshift import EditSpec, load
from zeroshift.captioning.written import WrittenCaptions, is_captions
from zeroshift.image import load_image
from zeroshift.miniature.captioner import HeadsCaptioner
from zeroshift.words import KnownWords, write_known_words

SAYS = {"a.png": "a cat on the sofa", "b.png": 'a "big" dog, asleep'}


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, Path]:
    return {name: photograph(tmp_path / name, 32, 32, seed=k) for k, name in enumerate(SAYS)}


def of_csv(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("ending", ["csv", "json", "txt"])
def test_every_kind_of_file_says_the_same(pictures, tmp_path, ending):
    path = tmp_path / f"captions.{ending}"
    if ending == "csv":
        of_csv(path, [{"file": name, "animal": "x", "caption": said} for name, said in SAYS.items()])
    elif ending == "json":
        path.write_text(json.dumps(SAYS))
    else:
        path.write_text("".join(f"{name}\t{said}\n" for name, said in SAYS.items()))
    known = WrittenCaptions(path)
    assert {name: known.caption_of(load_image(place)) for name, place in pictures.items()} == SAYS


def test_one_caption_stands_for_every_picture(pictures, tmp_path):
    known = WrittenCaptions(written(tmp_path / "all.txt", "a photo of  a cat\n\n"))
    assert known.captions([Image.open(place) for place in pictures.values()]) == ["a photo of a cat"] * 2


def test_a_hash_goes_before_a_name_and_folders_before_none(pictures, tmp_path):
    sha256 = hashlib.sha256(pictures["b.png"].read_bytes()).hexdigest().upper()
    rows = [
        {"file": "b.png", "caption": "by its name", "sha256": ""},
        {"file": "other.png", "caption": "by its hash", "sha256": sha256},
        {"file": "a.png", "caption": "anywhere", "sha256": ""},
        {"file": f"{tmp_path.name}/a.png", "caption": "in its folder", "sha256": ""},
    ]
    known = WrittenCaptions(of_csv(tmp_path / "captions.csv", rows))
    assert known.caption_of(load_image(pictures["b.png"])) == "by its hash"
    assert known.caption_of(load_image(pictures["b.png"].read_bytes())) == "by its hash"
    assert known.caption_of(load_image(pictures["a.png"])) == "in its folder"
    (tmp_path / "deeper").mkdir()
    assert known.caption_of(load_image(pictures["a.png"].rename(tmp_path / "deeper/a.png"))) == "anywhere"


def test_accents_are_one_letter_or_two(tmp_path):
    known = WrittenCaptions(written(tmp_path / "c.json", json.dumps({"caf\u00e9.png": "a cup of coffee"})))
    assert known.caption_of(load_image(photograph(tmp_path / "cafe\u0301.png", 32, 32))) == "a cup of coffee"


def test_a_picture_that_is_not_in_the_file_is_named(pictures, tmp_path):
    known = WrittenCaptions(written(tmp_path / "c.json", json.dumps({"a.png": SAYS["a.png"]})))
    with pytest.raises(ValueError, match=r"c\.json has no caption for b\.png; add one, or give the `source`"):
        known.caption_of(load_image(pictures["b.png"]))
    with pytest.raises(ValueError, match="no caption for a picture without a file name"):
        known.captions([Image.fromarray(np.zeros((32, 32, 3), np.uint8))])


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("c.csv", "name,caption\na.png,a cat\n", "no column file"),
        ("c.csv", "", "no column file and no column caption"),
        ("c.csv", "file,caption\n", "has no captions"),
        ("c.csv", "file,caption\n,a cat\n", "line 2 names no file"),
        ("c.csv", "file,caption\na.png,\n", "empty caption for a.png"),
        ("c.csv", "file,caption\na.png,a cat\na.png,a dog\n", "two captions for a.png"),
        ("c.csv", 'file,caption\na.png,"a cat\n', "cannot be read"),
        ("c.json", "[1]", "no object of names and captions"),
        ("c.json", '{"a.png": 1}', "no object of names and captions"),
        ("c.json", '{"a.png": ', "cannot be read"),
        ("c.txt", "a cat\na dog\n", 'line "a cat" has no name and tab'),
        ("c.txt", "", "has no captions"),
    ],
)
def test_what_is_no_file_of_captions_is_refused(tmp_path, name, text, why):
    with pytest.raises(ValueError, match=why):
        WrittenCaptions(written(tmp_path / name, text))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ValueError, match="No such file"):
        WrittenCaptions(tmp_path / "none.csv")
    (tmp_path / "latin.txt").write_bytes("a caf\u00e9".encode("latin-1"))
    with pytest.raises(ValueError, match="no UTF-8"):
        WrittenCaptions(tmp_path / "latin.txt")
    (tmp_path / "folder.csv").mkdir()
    assert is_captions("Captions.CSV") and not is_captions("org/blip") and not is_captions(tmp_path / "folder.csv")


def test_an_edit_by_a_file_of_captions(capsys, pictures, checkpoint, tmp_path):
    captions = written(tmp_path / "c.json", json.dumps({"a.png": SAYS["a.png"]}))
    recipe = load(checkpoint, captioner=captions).edit(pictures["a.png"], target="dog", method="sdedit").recipe
    assert (recipe["caption"], recipe["target_prompt"]) == ("a cat on the sofa", "a dog on the sofa")
    model = ("--model", checkpoint, "--captioner", captions)
    done = call(capsys, "caption", pictures["a.png"], *model)
    assert (done.code, done.out) == (0, f"{pictures['a.png']}: a cat on the sofa\n")
    refused(call(capsys, "caption", pictures["b.png"], *model), 1, "c.json has no caption for b.png", "--source")
    several = ("edit", pictures["b.png"], pictures["a.png"], "--target", "dog", "-o", tmp_path / "out", *FEW)
    done = call(capsys, *several, "--keep-going", *model)
    assert done.code != 0 and "no caption for b.png" in done.err
    assert len([*(tmp_path / "out").glob("a-dog*.png")]) == 1 and not [*(tmp_path / "out").glob("b-*")]


def test_the_models_own_captioner_still_reads_targets_and_judges_results(pictures, checkpoint, tmp_path):
    """Captions are another's: styles, coats, doubts about words and verdicts are the model's as without it."""
    folder = seeing(checkpoint, tmp_path / "own", list(pictures.values()))
    write_known_words(folder, KnownWords(frozenset({"a", "photo", "of", "cat", "dog", "sketch", "pencil", "black"})))
    captions = written(tmp_path / "c.json", json.dumps(SAYS | {"a.png": "a tabby cat on the sofa"}))
    editor, alone = load(folder, captioner=captions), load(folder)
    assert isinstance(editor.captioner, WrittenCaptions) and isinstance(editor.judge, HeadsCaptioner)
    few = editor.method("sdedit", {"steps": 2})
    done = {target: editor.edit(pictures["a.png"], target=target, method=few) for target in ("sketch", "black")}
    recipes = [(result.recipe["source_prompt"], result.recipe["target_prompt"]) for result in done.values()]
    assert recipes == [
        ("a tabby cat on the sofa", "a pencil sketch of a tabby cat"),
        ("a tabby cat on the sofa", "a black cat on the sofa"),
    ]
    assert EditSpec(target="sketch").changes_all(editor.vocabulary)
    for result in done.values():
        prompts = (result.recipe["source_prompt"], result.recipe["target_prompt"])
        (lacking,) = alone.judge.lacking([result.native], *reversed(prompts))
        assert result.verdict.lacking == lacking
    (said,) = editor.edit(pictures["a.png"], target="zebra", method=few).warnings
    assert 'does not know "zebra"' in said and "sofa" not in said  # which is the caption's word


def test_a_model_without_a_captioner_says_what_to_give(capsys, pictures, checkpoint):
    done = call(capsys, "edit", pictures["a.png"], "--target", "dog", "--model", checkpoint, *FEW)
    refused(done, 1, "no captioner", "--source", "--captioner", "Salesforce/blip-image-captioning-base", ".csv")


def test_caption_takes_folders_patterns_and_goes_on(capsys, pictures, checkpoint, tmp_path, monkeypatch):
    captions = written(tmp_path / "c.json", json.dumps({"a.png": "a cat", "z.png": "a fox"}))
    model = ("--model", checkpoint, "--captioner", captions)
    photograph(tmp_path / "z.png", 32, 32)
    written(tmp_path / "ab.png", "junk")
    monkeypatch.chdir(tmp_path)
    refused(call(capsys, "caption", ".", *model), 1, "ab.png is not a picture", "--keep-going")
    done = call(capsys, "caption", ".", "--keep-going", *model)
    assert (done.code, done.out) == (1, "a.png: a cat\nz.png: a fox\n")
    assert "left out: ab.png is not a picture" in done.err and "left out: b.png: " in done.err
    assert "2 of 4 photographs could not be captioned" in done.err
    done = call(capsys, "caption", "[az].png", *model, "--json")
    assert done.code == 0 and [json.loads(line)["path"] for line in done.out.splitlines()] == ["a.png", "z.png"]


def test_caption_reads_standard_input(capsys, pictures, checkpoint, tmp_path, monkeypatch):
    every = written(tmp_path / "all.txt", "a photo of a cat")
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(pictures["a.png"].read_bytes())))
    done = call(capsys, "caption", "-", "--model", checkpoint, "--captioner", every)
    assert (done.code, done.out) == (0, "standard input: a photo of a cat\n")
