"""Words that a model does not know or does not see: what is said of them, and what refuses them."""

import json
import random
import shutil
from pathlib import Path

import pytest
from transformers import CLIPTokenizer

from tests.shell import Outcome, call, files, photograph, refused
from tests.tiny import LENGTH, tokenizer
from zeroshift import EditSpec, load
from zeroshift.backbones.checkpoint import SHIPPED
from zeroshift.backbones.spelling import TokenizerSpelling
from zeroshift.cli import job
from zeroshift.miniature.training.captions import vary, words_said
from zeroshift.miniature.vocabulary import COATS, MEDIA, Scene
from zeroshift.running.groups import run_groups
from zeroshift.words import (
    DoubtfulWords,
    KnownWords,
    about_unknown,
    cut_words,
    doubts_of_words,
    read_known_words,
    signs_of,
    spelled_out,
    unknown_words,
    words_of,
    write_known_words,
)

LONG = "a photo of a cat sitting in the garden near a window, looking at the camera under a tree in the snow"
KNOWN = KnownWords(frozenset({"photo", "of", "cat", "dog", "tabby"}), ("cat", "dog"))


@pytest.fixture(scope="module")
def shipped() -> TokenizerSpelling:
    return TokenizerSpelling(CLIPTokenizer.from_pretrained(SHIPPED / "tokenizer", local_files_only=True))


def test_pieces_make_the_word_and_lengths_are_those_of_the_tokens(tiny):
    spelling = tiny.spelling
    for word in ("cat", "helicopter", "garden"):
        assert "".join(spelling.pieces(word)) == word
    assert "" in spelling.pieces("狗")
    for prompt in ("a photo of a cat", "helicopter", ""):
        assert spelling.lengths([prompt]) == [tiny.tokens(prompt).used]
    assert spelling.length == LENGTH < spelling.lengths([LONG])[0]


def test_whole_words_are_one_token(tiny):
    assert {"cat", "dog", "garden"} <= tiny.spelling.whole
    assert all(len(tiny.spelling.pieces(word)) == 1 for word in tiny.spelling.whole)


def test_what_is_cut_is_what_the_encoder_is_not_given(tiny):
    """The tokens that remain, read back, are the prompt without the cut words."""
    cut, ids = cut_words(tiny, LONG), tiny.tokens(LONG).ids
    kept = tokenizer().decode(ids, skip_special_tokens=True).replace(" ,", ",").split()
    assert LONG.split()[-len(cut) :] == list(cut)
    assert LONG.split()[: -len(cut)] == kept[: len(LONG.split()) - len(cut)]
    assert cut_words(tiny, "a photo of a cat") == ()


def test_a_word_is_unknown_if_it_is_spelled_letter_by_letter(tiny, shipped):
    assert unknown_words(tiny, None, ["a photo of a cat", "狗", "a helicopter's dog"]) == ("狗", "helicopter")
    for word in ("helicopter", "狗", "zebra", "wombat"):
        assert spelled_out(shipped.pieces(word)), word
    # words of which Stable Diffusion's tokenizer makes few and long tokens
    assert not any(map(spelled_out, [("wei", "mar", "aner"), ("kom", "ondor"), ("cat",), ("a",)]))


def test_a_word_is_unknown_if_training_never_said_it(tiny):
    assert unknown_words(tiny, KNOWN, ["a photo of a cat", "a sketch of a Tabby cat"]) == ("sketch",)
    assert unknown_words(tiny, KNOWN, ["a sketch on a sofa"], "a cat on a sofa") == ("sketch",)


@pytest.mark.parametrize(
    ("text", "signs"),
    [
        ("{}", ["{}"]),
        ("\U0001f436", ["\U0001f436"]),
        ("dog\U0001f436 and \U0001f468\u200d\U0001f469", ["\U0001f436", "\U0001f468\u200d\U0001f469"]),
        ("a photo of {} {}", ["{}"]),
        ("$$ ### ✨", ["$$", "###", "✨"]),
        ("a cat - a dog, 2 dogs & (a) cat's ... e\u0301te 50% été – ok?", []),
        ("\ufeffdog, a zebra\u00adcat, a wood\u200cland \u200b \u200edog", []),
        ("dog\u200d\U0001f436", ["\u200d\U0001f436"]),
    ],
    ids=range(8),
)
def test_signs_in_the_place_of_words_are_unknown(tiny, text, signs):
    assert signs_of(text) == signs
    known = KnownWords(frozenset(words_of(text)))
    assert unknown_words(tiny, known, [text]) == tuple(signs)
    assert any("does not know" in one for one in doubts_of_words(tiny, known, [text])) == bool(signs)


def test_everything_that_training_says_is_known():
    scenes = [Scene(f"{coat} {animal}") for coat in COATS for animal in ("cat", "dog")]
    scenes += [Scene("cat", medium, background="green") for medium in MEDIA]
    known, choice = words_said([*scenes, "two lions, asleep"]), random.Random(1)
    assert known.subjects == ("cat", "dog") and "lions" in known.words
    for scene in scenes:
        for _ in range(50):
            assert set(words_of(vary(scene, choice))) <= known.words
    assert not {"lion", "helicopter", "thing"} & known.words


def test_the_sentence_names_the_words_those_alike_and_what_there_is(shipped):
    said = about_unknown("shipped", ["lion", "retreiver"], None, shipped.whole)
    assert '"lion"' in said and '"retreiver" (did you mean retriever?)' in said
    assert '"dgo" (did you mean dog?)' in about_unknown("shipped", ["dgo"], KNOWN, shipped.whole)
    said = about_unknown("shipped", ["helicopter", "tabbi"], KNOWN, shipped.whole)
    assert said == (
        'The model shipped does not know "helicopter" and "tabbi" (did you mean tabby?) and will ignore or misread '
        "them; it was trained on pictures of cat and dog."
    )
    assert '"g", "h"' not in about_unknown("x", [*"abcdefgh"], None, frozenset()).split("and 3 words more")[0]


def test_cut_sentences_are_counted_once(tiny):
    sentences = [LONG, "a cat", LONG.replace("cat", "dog"), *["a dog"] * 50]
    (said,) = doubts_of_words(tiny, None, ["a cat"], sentences)
    assert "Of the 53 sentences" in said and "2 are cut" in said
    assert doubts_of_words(tiny, None, ["a cat"], sentences[-50:]) == ()


def test_what_is_written_is_read(tmp_path):
    write_known_words(tmp_path, KNOWN)
    assert read_known_words(tmp_path) == KNOWN
    for wrong in ("{", "[]", '{"words": 3, "subjects": []}', '{"words": [3], "subjects": []}', "[" * 100_000):
        (tmp_path / "words.json").write_text(wrong)
        with pytest.raises(ValueError, match="not of the form"):
            read_known_words(tmp_path)
    assert read_known_words(tmp_path / "none") is None


@pytest.fixture
def place(tmp_path, checkpoint, monkeypatch) -> Path:
    """A model that says which words it knows, and two photographs beside it."""
    shutil.copytree(checkpoint, tmp_path / "model")
    write_known_words(tmp_path / "model", KNOWN)
    monkeypatch.chdir(tmp_path)
    for k in range(2):
        photograph(tmp_path / f"{k}.png", 32, 32, seed=k)
    return tmp_path / "model"


def edit(capsys, model: Path, *tokens: str, method: str = "sdedit") -> Outcome:
    words = () if "--source" in tokens else ("--source", "cat")
    words += () if "--target" in tokens else ("--target", "dog")
    return call(capsys, "edit", *words, *tokens, "--model", model, "--steps", "2", "--method", method)


@pytest.mark.parametrize("word", ["lion", "helicopter", "狗"])
def test_an_unknown_target_is_told_once_for_all_pictures(capsys, place, word):
    done = edit(capsys, place, "0.png", "1.png", "--target", word, "--batch", "1")
    assert done.code == 0
    (line,) = [line for line in done.err.splitlines() if "warning" in line]
    assert f'does not know "{word}"' in line and "cat and dog" in line


def test_it_is_told_before_the_work_begins(capsys, place, monkeypatch):
    before = list[str]()

    def watched(editor, groups, **how):
        for group in groups:
            before.append(capsys.readouterr().err)
            yield from run_groups(editor, [group], **how)

    monkeypatch.setattr(job, "run_groups", watched)
    done = edit(capsys, place, "0.png", "1.png", "--target", "lion", "--batch", "1")
    assert done.code == 0 and "does not know" not in done.err
    assert ['does not know "lion"' in said for said in before] == [True, False]


def test_several_unknown_targets_are_one_warning(capsys, place):
    """By several methods too, which run one after another; each result has its own in JSON."""
    words = ("0.png", "--target", "lion", "--target", "zebra", "--target", "dog", "--method", "sdedit,ddim")
    done = call(capsys, "edit", "--source", "cat", *words, "--model", place, "--steps", "2")
    assert done.code == 0
    (line,) = [line for line in done.err.splitlines() if "does not know" in line]
    assert 'does not know "lion" and "zebra" and will ignore or misread them; it was trained' in line
    done = call(capsys, "edit", "--source", "cat", *words, "--model", place, "--steps", "2", "--json")
    told = {row["target"]: row["warnings"] for row in map(json.loads, done.out.splitlines())}
    assert [(target, len(said)) for target, said in told.items()] == [("lion", 1), ("zebra", 1), ("dog", 0)]
    assert '"lion"' in told["lion"][0] and '"zebra"' not in told["lion"][0]


def test_a_refusal_announces_no_file(capsys, place):
    """That a result gets another name is said where there will be one."""
    Path("r.png").touch()
    Path("d.safetensors").touch()
    again = edit(capsys, place, "0.png", "--target", "lion", "-o", "r.png")
    assert again.code == 0 and again.err.count("r.png is there and stays; writing r-2.png") == 1
    refused(edit(capsys, place, "0.png", "--target", "lion", "--strict", "-o", "r.png"), 2, '"lion"')  # and no more
    few = ("--model", place, "--steps", "2", "-o", "r.png")
    refused(call(capsys, "generate", "a lion", *few, "--strict"), 2, '"lion"')
    assert "r.png is there and stays; writing r-3.png" in call(capsys, "generate", "a lion", *few).err
    make = ("direction", "make", "--source", "cat", "--target", "lion", "--count", "2", "--model", place)
    refused(call(capsys, *make, "-o", "d.safetensors", "--strict"), 2, '"lion"')
    assert "d.safetensors is there and stays" in call(capsys, *make, "-o", "d.safetensors").err


def test_strict_refuses_with_the_same_sentence_and_writes_nothing(capsys, place):
    before = files(Path())
    done = edit(capsys, place, "0.png", "--target", "lion", "--strict")
    refused(done, 2, "The model model does not know", '"lion"')
    assert files(Path()) == before
    assert edit(capsys, place, "0.png", "--strict").code == 0


def test_prompts_of_every_kind_are_looked_at(capsys, place):
    done = edit(capsys, place, "0.png", "--negative", "a zebra", method="plug-and-play")
    assert done.code == 0 and 'not know "zebra"' in done.err
    done = edit(capsys, place, "0.png", "--source", "a cat", "--target", LONG)
    assert done.code == 0 and "never sees" in done.err
    refused(call(capsys, "generate", "a lion", "--model", place, "--steps", "2", "--strict"), 2, '"lion"')
    done = call(capsys, "generate", "a lion", "a lion dog", "--model", place, "--steps", "2")
    assert done.code == 0 and done.err.count("warning") == 1
    make = ("direction", "make", "--source", "cat", "--target", "lion", "-o", "d.safetensors", "--model", place)
    done = call(capsys, *make, "--count", "500")
    assert done.code == 0 and done.err.count("warning") == 2 and "sentences that the edit direction" in done.err
    refused(call(capsys, *make, "--count", "3", "--strict", "--overwrite"), 2, '"lion"')
    done = call(capsys, "invert", "0.png", "--source", "lion", "-o", "i.safetensors", "--steps", "2", "--model", place)
    assert done.code == 0 and '"lion"' in done.err


def test_in_python_results_carry_the_warnings(place):
    editor = load(place)
    spec = EditSpec(target="lion", source="cat", method="sdedit", options={"steps": 2})
    (said,) = editor.edit("0.png", spec).warnings
    assert '"lion"' in said and editor.doubts(["a lion"]) == (said,)
    assert editor.edit("0.png", spec.model_copy(update={"target": "dog"})).warnings == ()
    with pytest.raises(DoubtfulWords, match="lion"):
        editor.edit("0.png", EditSpec.parse(json.dumps({**spec.model_dump(), "strict": True})))
