"""Generators of sentences: sifting by rule, the bank's seeds, files, and tiny language models of the real classes."""

import json
import re
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from tests.shell import FEW, METHOD, call, photograph, refused
from tests.speaking import language_model, word_tokenizer
from zeroshift.asked.edits import EditSpec
from zeroshift.backbones.checkpoint import find_clip
from zeroshift.captioning.blip import Blip
from zeroshift.cli.sentences_from import SentenceFlags
from zeroshift.cli.shared import ModelFlags
from zeroshift.conditioning.direction import direction_of_words, load_direction, make_direction
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.generators import Remembered, StoppedShort, sift
from zeroshift.generators.base import asked
from zeroshift.generators.language_model import LanguageModel, ids_of, prompt_of
from zeroshift.generators.making import direction_by, direction_of_sifted, generator_of, sifted_lines
from zeroshift.generators.templates import TemplateBank
from zeroshift.generators.text_file import TextFile
from zeroshift.loading import load
from zeroshift.sentences import template_sentences
from zeroshift.words import DoubtfulWords

LINES = [
    "1. A cat on a sofa.",
    "2) a cat on a sofa",
    "- 'two cats in the snow'",
    "",
    "Sure, here are 50 captions:",
    "I'm sorry, but I cannot write about a cat.",
    "As an AI language model, I have never seen a cat.",
    "a dog on a sofa",
    "a category of things",
    "a cat \x1b[31min red",
    "* **a cat at night**",
    "a cat " + "and another cat " * 20,
    "a cat's nose",
    "a late cat",
]


def test_lines_are_dropped_by_rule_and_counted():
    kept = sift(LINES, "cat", lambda said: len(said.split()) < 20, count=4)
    assert kept.sentences == ["A cat on a sofa.", "two cats in the snow", "a cat at night", "a cat's nose"]
    assert kept.dropped == {
        "a refusal": 2,
        "addressed to the reader": 1,
        "control characters": 1,
        "more than asked for": 1,
        "said before": 1,
        "too long for the text encoder": 1,
        "without the word": 2,
    }
    assert len(kept.sentences) + sum(kept.dropped.values()) == sum(bool(line) for line in LINES)
    assert "a dog on a sofa" in sift(LINES, None).sentences


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("Caption: A cat sits.", "A cat sits."),
        ("Cat 1: a cat sits", "a cat sits"),
        ('**Caption 3:** "A cat sits."', "A cat sits."),
        ("Here is a caption: a cat sits", "a cat sits"),
        ("<p>A cat</p>", "A cat"),
        ("a) a cat sits", "a cat sits"),
        ("12 - a cat", "a cat"),
        ("[2] a cat", "a cat"),
        ("3.5 kg of cat", "3.5 kg of cat"),
        ("a cat at 12:30", "a cat at 12:30"),
        ("two cats: one asleep", "two cats: one asleep"),
        ("so a cat. </think> The cat sits.", "The cat sits."),
    ],
)
def test_what_stands_around_a_sentence_goes(line: str, sentence: str):
    assert sift([line], "cat").sentences == [sentence]


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("Note: each caption has a cat in it.", "addressed to the reader"),
        ("Ten captions of a cat:", "addressed to the reader"),
        ("| a cat | on a sofa |", "markup"),
        ("```text", "markup"),
        ('{"caption": "a cat"}', "markup"),
        ("---", "markup"),
    ],
)
def test_what_is_no_sentence_is_dropped(line: str, rule: str):
    assert sift([line], "cat").dropped == {rule: 1}


def test_what_a_model_thinks_aloud_is_no_sentence():
    answers = ["<think>", "A cat, then.", "", "Or a cat at night.</think> A cat runs.", "the cat naps", "<think>a cat?"]
    kept = sift([*answers, "<think>", "no cat", "</think>", "a cat</think>", "a cat sits", "<think>", "a cat"], "cat")
    assert kept.sentences == ["A cat runs.", "the cat naps", "a cat sits"] and kept.dropped == {"reasoning": 9}


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("woman", "Women walking"),
        ("wolf", "two wolves run"),
        ("knife", "knives"),
        ("pony", "three ponies"),
        ("child", "children at play"),
        ("mouse", "Mice"),
        ("goose", "geese"),
        ("person", "people in the rain"),
        ("sheep", "two sheep"),
        ("oil pastel", "oil pastels"),
    ],
)
def test_plurals_are_the_word_too(word: str, said: str):
    assert sift([said, "categories", "a humane cityscape"], word).sentences == [said]


@pytest.mark.parametrize("word", ["cat", "oil pastel", "cat with glasses"])
def test_the_bank_loses_nothing(word: str):
    bank = template_sentences(word, 2000)
    assert sift(bank, word).sentences == bank and sift(bank, word).dropped == {}


def test_seeds_of_the_bank():
    plain, drawn, other = (TemplateBank(seed)("cat", 300) for seed in (0, 1, 2))
    assert plain == template_sentences("cat", 300)
    assert len({tuple(plain), tuple(drawn), tuple(other)}) == 3 and len(set(drawn)) == 300
    assert drawn == TemplateBank(1)("cat", 300)
    dogs = TemplateBank(1)("dog", 300)
    assert all(re.sub(r"\bcat\b", "dog", a) == b for a, b in zip(drawn, dogs, strict=True))
    with pytest.raises(ValueError, match="holds 1 to 2000 sentences, not 2001"):
        TemplateBank(1)("cat", 2001)


def test_a_direction_by_the_bank_is_that_of_the_words(tiny):
    ours = direction_by(tiny, TemplateBank(), ("cat", "dog"), 20)
    theirs = direction_of_words(tiny, "cat", "dog", 20)
    assert ours.sha256 == theirs.sha256
    generator = dict.fromkeys(("source_generator", "target_generator"), '{"seed": "0"}')
    assert ours.provenance == {**theirs.provenance, **generator}


def test_only_what_the_encoder_reads_whole_is_encoded(tiny):
    long = "a cat " + "in the grass on a sofa near a window " * 3
    lines, both, words = [[long, "a cat", "a cat in the snow"], ["a dog"]], (TemplateBank(),) * 2, ("cat", "dog")
    sifted = sifted_lines(tiny, both, words, lines, 10)
    made = direction_of_sifted(tiny, both, words, sifted)
    assert made.sha256 == make_direction(tiny, lines[0][1:], lines[1], words, "x").sha256
    assert made.provenance["source_dropped"] == "1 too long for the text encoder"
    assert made.provenance["source_sentences"] == "2" and "target_dropped" not in made.provenance
    assert [one.sentences for one in sifted_lines(tiny, both, words, lines, 10, chosen=True)] == lines
    with pytest.raises(ValueError, match=r'Of 2 lines about "fox" from template bank none can be used \(2 without the'):
        sifted_lines(tiny, both, ("cat", "fox"), [["a cat"], ["b", "c"]], 10)


def test_a_file_has_the_sentences_of_several_words(tmp_path, tiny):
    file = tmp_path / "both.txt"
    file.write_text("a cat\n\n a dog at home \nthe cat sleeps\n", encoding="utf-8")
    generator = generator_of(str(file))
    assert isinstance(generator, TextFile) and generator.settings == {"file": "both.txt"}
    made = direction_by(tiny, generator, ("cat", "dog"), 10)
    assert made.sha256 == make_direction(tiny, ["a cat", "the cat sleeps"], ["a dog at home"], ("a", "b"), "x").sha256
    with pytest.raises(ValueError, match=r"none\.txt cannot be read .* one sentence per line"):
        generator_of(str(tmp_path / "none.txt"))("cat", 1)


def test_asking_goes_on_until_there_are_enough_and_no_longer():
    numbers = []

    def ask(word: str, number: int) -> list[str]:
        numbers.append(number)
        return [f"{word} number {number // 2}", "no such thing"]  # every other answer is new

    assert len(sift(asked(ask, "cat", 3, 100), "cat").sentences) == 3 and numbers == [0, 1, 2, 3, 4]
    numbers.clear()
    assert asked(lambda w, n: numbers.append(n) or ["nothing"], "cat", 3, 100) == ["nothing"] * 3  # patience
    numbers.clear()
    asked(ask, "cat", 50, 7)
    assert len(numbers) == 7


def test_what_came_before_a_failure_is_not_lost():
    def ask(word: str, number: int) -> list[str]:
        if number == 2:
            raise StoppedShort("It broke.", ["half"])
        return [f"{word} {number}"]

    with pytest.raises(StoppedShort, match="It broke") as failed:
        asked(ask, "cat", 9, 9)
    assert failed.value.lines == ["cat 0", "cat 1", "half"]


def test_a_remembered_generator_is_asked_once():
    calls = []

    class Counting(TemplateBank):
        def __call__(self, word: str, count: int) -> list[str]:
            calls.append((word, count))
            return template_sentences(word, count)

    generator = Remembered(Counting())
    assert generator("cat", 3) is generator("cat", 3) and generator.name == "template bank"
    generator("cat", 4)
    assert calls == [("cat", 3), ("cat", 4)]


@pytest.mark.parametrize(("causal", "chat"), [(False, False), (True, False), (True, True)])
def test_language_models_write_lines(tmp_path, causal: bool, chat: bool):
    folder = language_model(tmp_path / "lm", causal, chat)
    settings = {"at_once": 5, "most_tokens": 12, "most_requests": 2}
    first = LanguageModel(folder, **settings)("cat", 8)
    assert 5 <= len(first) and len(set(first)) > 3 and not any("Write one caption" in line for line in first)
    before = torch.random.get_rng_state()
    assert LanguageModel(str(folder), **settings)("cat", 8) == first
    assert torch.equal(torch.random.get_rng_state(), before)
    assert LanguageModel(folder, seed=1, **settings)("cat", 8) != first
    model = LanguageModel(folder)
    assert model.name == "language model lm" and str(tmp_path) not in json.dumps(dict(model.settings))
    asked_for = prompt_of(model._loaded[1], "owl")
    assert asked_for.endswith("<assistant>" if chat else "in it.") and "shows an owl" in asked_for


@pytest.mark.parametrize("template", [None, "<s> {{ messages[0].content }}"])
def test_a_prompt_begins_once(template: str | None):
    words = Tokenizer(WordLevel({"<s>": 0, "<unk>": 1}, unk_token="<unk>"))
    words.pre_tokenizer = WhitespaceSplit()
    words.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, bos_token="<s>", unk_token="<unk>")
    tokenizer.chat_template = template
    ids = ids_of(tokenizer, prompt_of(tokenizer, "cat"))[0].tolist()
    assert ids[0] == 0 and ids.count(0) == 1


def test_a_language_model_runs_where_the_model_does(monkeypatch, tmp_path):
    """A device without data stands for one that this machine lacks: the flag has to arrive."""
    language_model(tmp_path / "lm", causal=True)
    monkeypatch.setattr("zeroshift.backbones.read.pick_device", lambda device: torch.device({"cuda": "meta"}[device]))
    made = SentenceFlags(sentences_from=str(tmp_path / "lm")).generator(ModelFlags(device="cuda"))
    assert made.device == "meta" and made._loaded[0].device.type == "meta"
    assert generator_of(str(tmp_path / "lm"), device="cuda").device == "meta"


def test_a_missing_language_model_and_captioner_are_called_so(tmp_path):
    """Without a network, which the tests are."""
    for kind, make in (
        ("language model", lambda: LanguageModel("owner/none", cache_dir=tmp_path)("cat", 1)),
        ("captioner", lambda: Blip("owner/none", cache_dir=tmp_path)),
        ("CLIP", lambda: find_clip("owner/none", tmp_path)),
    ):
        with pytest.raises(ValueError, match=f"The {kind} owner/none is not in the cache and cannot be downloaded"):
            make()


def test_a_template_that_begins_to_think_is_told_from_an_answer(tmp_path):
    folder = language_model(tmp_path / "lm", causal=True)
    plain = LanguageModel(folder, at_once=3, most_requests=1)
    assert "reasoning" not in sift(plain("cat", 1), "cat").dropped
    tokenizer = word_tokenizer()
    tokenizer.chat_template = "{{ messages[0].content }} <think>"
    tokenizer.save_pretrained(folder)
    lines = LanguageModel(folder, at_once=3, most_requests=1)("cat", 1)
    assert sift(lines, "cat").sentences == [] and sift(lines, "cat").dropped == {"reasoning": len(lines)}


def test_settings_tell_models_of_one_name_apart(tmp_path):
    one, other = (language_model(tmp_path / place / "lm", causal=True) for place in "ab")
    first = LanguageModel(one)
    assert first.settings == LanguageModel(other).settings and first.settings["at_once"] == "16"
    assert first.settings != LanguageModel(one, at_once=4).settings
    language_model(other, causal=False)
    assert LanguageModel(other).name == first.name and LanguageModel(other).settings != first.settings
    tokenizer = word_tokenizer()
    tokenizer.chat_template = "{{ messages[0].content }}"
    tokenizer.save_pretrained(one)
    assert LanguageModel(one).settings != first.settings


def test_what_is_no_language_model_is_one_sentence(tmp_path, checkpoint):
    with pytest.raises(ValueError, match="There is no folder .* not a hub id"):
        LanguageModel(str(tmp_path / "no/such/folder"))("cat", 1)
    with pytest.raises(Unsupported, match=r"language model tiny has no config\.json"):
        LanguageModel(checkpoint)("cat", 1)
    with pytest.raises(Unsupported, match="The language model text_encoder cannot be made of its files"):
        LanguageModel(checkpoint / "text_encoder")("cat", 1)
    folder = language_model(tmp_path / "lm", causal=True)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(Unsupported, match=r"model\.safetensors of the language model lm is damaged or cut short"):
        LanguageModel(folder)("cat", 1)
    weights.rename(folder / "pytorch_model.bin")
    with pytest.raises(Unsupported, match=r"has no \.safetensors weights"):
        LanguageModel(folder)("cat", 1)


def test_the_command_line_keeps_what_was_returned_beside_the_direction(capsys, checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("--source", "cat", "--target", "dog", "--model", checkpoint)
    file = Path("lines.txt")
    file.write_text("1. a cat\n2. a cat\n3. a dog\n4. the dog in the snow\n", encoding="utf-8")
    told = call(capsys, "direction", "make", *words, "--sentences-from", file, "-o", "d.safetensors")
    assert "; 1 and 2 sentences; dropped of the source: 1 said before, 2 without the word" in told.out
    facts = load_direction(Path("d.safetensors")).provenance
    assert facts["origin"] == "files" and facts["target_generator"] == '{"file": "lines.txt"}'
    language_model(tmp_path / "lm", causal=False)
    told = call(capsys, "direction", "make", *words, "--sentences-from", "lm", "--count", "3", "-o", "e.safetensors")
    assert told.code == 0 and "; 3 and 3 sentences" in told.out
    returned = [Path(f"e.{role}.txt").read_text().splitlines() for role in ("source", "target")]
    assert all(len(lines) >= 16 for lines in returned)  # as they came, bad ones too
    made = load_direction(Path("e.safetensors"))
    assert made.provenance["origin"] == "language model lm" and "source_dropped" in made.provenance
    owl = ("--source", "cat", "--target", "owl", "--model", checkpoint, "-q")
    failed = call(capsys, "direction", "make", *owl, "--sentences-from", "lm", "--count", "3", "-o", "f.safetensors")
    refused(failed, 1, 'lines about "owl" from language model lm none can be used', "without the word")
    assert not Path("f.safetensors").exists() and Path("f.target.txt").exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--sentences-from", "nowhere/at/all"], (1, "There is no folder nowhere/at/all")),
        (["--sentences-from", "bank", "--endpoint-model", "x"], (2, "--endpoint-model is for an endpoint")),
        (["--endpoint-timeout", "5"], (2, "--endpoint-timeout is for an endpoint; add --sentences-from https")),
        (["--sentences-from", "https://host/v1", "--endpoint-at-once", "0"], (2, "--endpoint-at-once")),
        (["--sentences-from", "a.txt", "--sentences-seed", "1"], (2, "--sentences-seed")),
        (["--sentences-from", "https://user:secret@host/v1"], (2, "a key belongs in the variable ZEROSHIFT_API_KEY")),
        (["--sentences-from", "https://"], (2, "is no address")),
        (["--count", "2001"], (2, "holds 1 to 2000")),
        (["--sentences-from", "bank", "--source-sentences", "a.txt", "--target-sentences", "b.txt"], (2, "give one")),
    ],
)
def test_what_makes_no_sense_is_refused(capsys, checkpoint, tmp_path, monkeypatch, flags, words):
    monkeypatch.chdir(tmp_path)
    made = ("--source", "cat", "--target", "dog", "--model", checkpoint, "-o", "d.safetensors")
    done = call(capsys, "direction", "make", *made, *flags)
    refused(done, *words)
    assert "secret" not in done.err and not list(tmp_path.iterdir())


def test_an_edit_along_generated_directions(capsys, checkpoint, tmp_path, monkeypatch):
    """Every word is asked about once, what was returned lies beside the results, and redo gives the same bytes."""
    monkeypatch.chdir(tmp_path)
    photograph(Path("one.png"))
    photograph(Path("two.png"), seed=1)
    Path("lines.txt").write_text("a cat\nthe cat sleeps\na dog\na sofa in a room\n", encoding="utf-8")
    language_model(tmp_path / "lm", causal=True)
    for generator in ("lines.txt", "lm"):
        few = (*FEW[:4], "--sentences", "3", "--model", checkpoint, "--threads", "1", "-o", f"out-{generator}")
        words = ("--source", "cat", "--target", "dog", "--target", "sofa")
        done = call(capsys, "edit", "one.png", "two.png", *words, *few, "--sentences-from", generator, "--json")
        assert done.code == 0, done.err
        rows = [json.loads(line) for line in done.out.splitlines()]
        paths = {row["recipe"]["direction_path"] for row in rows}
        folder = Path(f"out-{generator}")
        assert len(rows) == 4 and len(paths) == 2 and len(list((folder / "directions").glob("*.txt"))) == 4
        for row in rows:
            made = load_direction(folder / row["recipe"]["direction_path"])
            assert made.sha256 == row["recipe"]["direction_sha256"] and made.provenance["target"] == row["target"]
        again = call(capsys, "redo", rows[0]["path"], "--model", checkpoint, "-o", f"again-{generator}.png")
        assert "the same bytes" in again.out
    both = call(capsys, "edit", "one.png", *words, *METHOD, "--words", "swap", "--sentences-from", "lines.txt")
    refused(both, 2, "--sentences-from is for an edit direction made of sentences, and this edit has none")
    both = call(
        capsys, "edit", "one.png", *words[:4], *METHOD, "--direction", "d.safetensors", "--sentences-from", "lines.txt"
    )
    refused(both, 2, "--sentences-from and --direction both say where the edit leads")


def test_an_edit_that_no_line_serves_keeps_what_was_returned(capsys, checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photograph(Path("one.png"))
    language_model(tmp_path / "lm", causal=False)
    few = (
        *METHOD,
        "--steps",
        "1",
        "--sentences",
        "3",
        "--model",
        checkpoint,
        "--sentences-from",
        "lm",
        "-o",
        "out/owl.png",
    )
    folder = Path("out/directions")
    for number in ("", "-2"):
        failed = call(capsys, "edit", "one.png", "--source", "cat", "--target", "owl", *few, "-q")
        refused(failed, 1, "none can be used", f"What came by then is in {folder}/unfinished.")
        assert len((folder / f"unfinished.owl{number}.txt").read_text().splitlines()) >= 16
        (folder / "unfinished.owl.txt").write_text("a longer file of an earlier run\n" * 99)  # it stays
    assert (folder / "unfinished.owl.txt").read_text().count("longer") == 99


def test_far_fewer_sentences_than_asked_for_are_a_doubt(capsys, checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photograph(Path("one.png"))

    class Terse(TemplateBank):
        name = "somebody terse"

        def __call__(self, word: str, count: int) -> list[str]:
            return ["no such thing", *(f"a {word} in {place}" for place in ("snow", "rain", "bed", "red"))]

    editor = load(checkpoint, device="cpu", sentences=Terse())
    said = 'Of 10 sentences asked for about "dog", 4 can be used \\(1 without the word\\); take another generator'
    asked_for = {"source": "cat", "target": "dog", "method": "pix2pix-zero"}
    asked_for["options"] = {"conditioning": {"sentences": 10}}
    request = EditSpec(**asked_for).resolve(editor)
    assert re.search(said, " ".join(request.doubts))
    with pytest.raises(DoubtfulWords, match=said):
        EditSpec(**asked_for, strict=True).resolve(editor)
    asked_for["options"] = {"conditioning": {"sentences": 8}}
    assert "asked for" not in " ".join(EditSpec(**asked_for).resolve(editor).doubts)
    monkeypatch.setattr("zeroshift.cli.sentences_from.SentenceFlags.generator", lambda *_: Terse())
    make = ("direction", "make", "--source", "cat", "--target", "dog", "--model", checkpoint, "--count", "10")
    done = call(capsys, *make, "-o", "d.safetensors")
    assert done.code == 0 and 'Of 10 sentences asked for about "cat", 4 can be used' in done.err
    along = (
        "--source",
        "cat",
        "--target",
        "dog",
        "--direction",
        "d.safetensors",
        "--model",
        checkpoint,
        *METHOD,
        "--strict",
    )
    refused(call(capsys, "edit", "one.png", *along, "--steps", "1"), 2, "Of 10 sentences")
    refused(call(capsys, *make, "--strict", "-o", "e.safetensors"), 2, "Of 10 sentences")
    assert not Path("e.safetensors").exists()


def test_an_editor_with_sentences(checkpoint, tmp_path):
    file = tmp_path / "lines.txt"
    file.write_text("a cat\na dog\nthe dog\n", encoding="utf-8")
    editor = load(checkpoint, device="cpu", sentences=str(file))
    request = EditSpec(source="cat", target="dog", method="pix2pix-zero").resolve(editor)
    made = make_direction(editor.backbone, ["a cat"], ["a dog", "the dog"], ("cat", "dog"), "files")
    assert request.task.direction.sha256 == made.sha256
    assert (
        EditSpec(source="cat", target="dog", method="pix2pix-zero").resolve(editor).task.direction
        is request.task.direction
    )
    for options in ({"conditioning": {"words": "swap"}}, {"conditioning": {"kind": "prompts"}}):
        assert (
            EditSpec(source="cat", target="dog", method="pix2pix-zero", options=options).resolve(editor).task.direction
            is None
        )
    whole = EditSpec(source="a photo of a cat", target="a photo of a dog", method="pix2pix-zero")
    request = whole.resolve(editor)
    assert request.task.direction is None and "these are whole prompts" in request.doubts[-1]
