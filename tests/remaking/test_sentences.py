"""``python -m remake --only sentences``: what sentences of edit directions are worth, and the files of some."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from remake import sentences
from remake.asked import asked
from transformers import CLIPTokenizer

from zeroshift.backbones.checkpoint import SHIPPED
from zeroshift.backbones.spelling import TokenizerSpelling
from zeroshift.evaluation.imagenet import open_judge
from zeroshift.generators import sift
from zeroshift.generators.text_file import TextFile, lines_of
from zeroshift.loading import load
from zeroshift.miniature.classifier import load_classifier

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_what_sentences_are_worth_is_counted_by_task_and_way(place, monkeypatch):
    """The tiny judge knows animals alone; a table's cell is what it says of edits made one by one."""
    monkeypatch.setattr(sentences, "judge_there", lambda: None)
    monkeypatch.setattr(sentences, "BANK", {n: sentences.BANK[n] for n in (1, 10)})
    fewer = {way: words for way, words in sentences.WAYS.items() if way not in ("100 sentences", "1000 sentences")}
    monkeypatch.setattr(sentences, "WAYS", fewer)
    shutil.copytree(ROOT / sentences.FRAMES, place.root / sentences.FRAMES)
    (place.root / "docs/directions.md").write_text("<!-- sentences -->\n<!-- /sentences -->\n")
    assert sentences.make(2, place) == "docs/directions.png, docs/directions.md"
    rows = (place.root / "docs/directions.md").read_text().splitlines()[2:-2]
    assert [row.split(" | ")[0] for row in rows[2:]] == [
        "| cat → dog",
        "| dog → cat",
        "| all 4",
        "| all 4, at half strength",
    ]
    numbers = [[int(cell) for cell in row.strip("| ").split(" | ")[1:]] for row in rows[2:]]
    assert numbers[2] == [a + b for a, b in zip(*numbers[:2], strict=True)] and max(numbers[0]) <= 2
    editor, judge = place.editor(), load_classifier(place.model / "classifier")
    ways = "words swapped | 1 sentence | 10 sentences | 100 by a language model"
    assert rows[0] == f"| of 2 photographs each, --steps 2 | {ways} |"
    written = load(place.model, device="cpu", sentences=str(place.root / sentences.FRAMES / "animal.txt"))
    for way, by, count in (
        ("--words swap", editor, numbers[0][0]),
        ("--sentences 10", editor, numbers[0][2]),
        ("--sentences 100", written, numbers[0][3]),
    ):
        wish = asked(f"--source cat --target dog --fit stretch {way} --steps 2")
        edits = [by.edit(place.data / f"{k}.png", wish).native for k in (0, 2)]
        stacked = torch.from_numpy(np.stack([np.array(one) for one in edits])).permute(0, 3, 1, 2)
        assert list(judge.labels(stacked)).count("dog") == count
    with Image.open(place.root / sentences.FIGURE) as figure:
        assert (255, 140, 0) in {colour for _, colour in figure.getcolors(99999)}
    with pytest.raises(ValueError, match="too few pictures in val for cat → dog; 9 are edited"):
        sentences.make(9, place)


def test_tasks_are_distinct_and_each_has_sentences_of_a_language_model(place):
    """Every word of a task stands in a hundred of them that the shipped model's text encoder reads whole."""
    assert len(sentences.TASKS) >= 8 and len({task.name for task in sentences.TASKS}) == len(sentences.TASKS)
    words = TokenizerSpelling(CLIPTokenizer.from_pretrained(SHIPPED / "tokenizer", local_files_only=True))
    told = (ROOT / sentences.FRAMES / "README.md").read_text(encoding="utf-8")
    for task in sentences.TASKS:
        file = TextFile(ROOT / sentences.FRAMES / task.frames)
        wish = asked(task.words.format(task.species[0]))
        for word in (wish.source, wish.target):
            whole = sift(file(word, 100), word, lambda said: words.lengths([said])[0] < words.length)
            assert len(whole.sentences) >= 100, (task.name, word, whole.dropped)
        assert f"`{task.frames}`" in told and f"| {len(lines_of(file.path))} |" in told


def test_wild_animals_are_told_by_a_network_that_knows_them(place):
    """A head of the classifier could not: it is of cats and dogs."""
    tiger, cat = (next(task for task in sentences.TASKS if task.wanted == animal) for animal in ("tiger", "cat"))
    judges = sentences.Judges(load_classifier(place.model / "classifier"), None)
    assert not judges.know(tiger) and judges.know(cat)
    judges = replace(judges, imagenet=open_judge())
    pictures = [Image.open(ROOT / "examples/cat.png"), Image.new("RGB", (64, 64), "orange")]
    shares = judges.imagenet.look(pictures).probabilities
    wanted = [float(row[292]) > float(row[281:286].sum()) for row in shares]  # ImageNet's tiger, and its domestic cats
    assert judges.know(tiger) and judges.count(tiger, pictures) == sum(wanted) and not wanted[0]
