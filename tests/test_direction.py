"""Edit directions: token-level mean differences with provenance."""

import json
from dataclasses import replace

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from tests.tiny import LENGTH, WIDTH, text_encoder, tiny_backbone
from tests.watch import calls
from zeroshift.conditioning.direction import (
    Direction,
    direction_of_prompts,
    direction_of_words,
    doubts,
    load_direction,
    make_direction,
    save_direction,
)
from zeroshift.conditioning.means import encoding, mean_embedding, mean_of
from zeroshift.conditioning.rich import RichPrompts
from zeroshift.conditioning.shift import EditDirection
from zeroshift.conditioning.task import make_task
from zeroshift.diffusion.backbone import Identity
from zeroshift.editor import Editor
from zeroshift.methods import Pix2PixZero
from zeroshift.sentences import template_sentences

CATS, DOGS = template_sentences("cat", 30), template_sentences("dog", 45)


def encoded(tiny, sentence: str) -> Tensor:
    """Return the text encoder's own last hidden state, all positions, no mask: (L, D)."""
    ids = tiny.tokenizer(sentence, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt")
    return tiny.text_encoder(ids.input_ids).last_hidden_state[0].detach()


def test_direction_is_the_token_level_mean_difference(tiny):
    """Neither pooled nor normalised; one sentence at a time gives the same, so batching plays no part."""
    direction = make_direction(tiny, CATS, DOGS, ("cat", "dog"), "files")
    cats = torch.stack([encoded(tiny, s) for s in CATS]).mean(0)
    dogs = torch.stack([encoded(tiny, s) for s in DOGS]).mean(0)
    assert direction.delta.shape == (1, LENGTH, WIDTH) and direction.delta.dtype == torch.float32
    assert torch.allclose(direction.delta[0].double(), dogs - cats, rtol=0, atol=1e-6)
    assert direction.delta[0, 0].abs().max() <= 1e-6  # the first token never sees the words


@pytest.mark.parametrize("batch", [1, 7, 16, 64])
def test_mean_does_not_depend_on_the_batch(tiny, batch: int):
    ours = mean_embedding(tiny, DOGS, batch).tokens
    assert torch.allclose(ours[0], torch.stack([encoded(tiny, s) for s in DOGS]).mean(0), rtol=0, atol=1e-12)


def test_means_are_kept_for_each_number_of_threads(monkeypatch):
    """Whose sums differ in the last bits, so that an edit would not be the same when it is made again."""
    backbone, threads = tiny_backbone(torch.float32), [1]
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads[0])
    with calls(backbone.text_encoder) as encoded:
        for threads[0] in (1, 2, 1, 2):
            first = mean_of(backbone, CATS[:5])
            assert mean_of(backbone, CATS[:5]) is first
    assert len(encoded) == 2


def test_encoding_tells_how_far_it_is_and_encodes_nothing_twice():
    backbone = tiny_backbone(torch.float32)
    sets = [template_sentences("cat", 100), template_sentences("dog", 70)]
    assert list(encoding(backbone, sets)) == [(64, 170), (100, 170), (164, 170), (170, 170)]
    assert list(encoding(backbone, sets)) == []
    with calls(backbone.text_encoder) as seen:
        made = make_direction(backbone, *sets, ("cat", "dog"), "x")
    other = make_direction(tiny_backbone(torch.float32), *sets, ("cat", "dog"), "x")
    assert not seen and made.sha256 == other.sha256


def test_order_of_the_sentences_does_not_matter(tiny):
    ours, other = (make_direction(tiny, s, DOGS, ("cat", "dog"), "files").delta for s in (CATS, CATS[::-1]))
    assert torch.allclose(ours, other, rtol=0, atol=1e-6)


def test_opposite_direction(tiny):
    there, back = direction_of_words(tiny, "cat", "dog", 20), direction_of_words(tiny, "dog", "cat", 20)
    assert torch.equal(there.delta, -back.delta) and there.sha256 != back.sha256


def test_word_direction_is_that_of_the_bank(tiny):
    ours = direction_of_words(tiny, "cat", "dog", 20)
    bank = make_direction(tiny, template_sentences("cat", 20), template_sentences("dog", 20), ("cat", "dog"), "x")
    assert torch.equal(ours.delta, bank.delta)


def test_provenance(tiny):
    facts = make_direction(tiny, CATS, DOGS, ("cat", "dog"), "files").provenance
    assert (facts["source"], facts["target"], facts["origin"]) == ("cat", "dog", "files")
    assert (facts["source_sentences"], facts["target_sentences"]) == ("30", "45")
    assert (facts["model"], facts["model_sha256"]) == ("tiny", "0" * 64)
    other = make_direction(tiny, CATS[:-1], DOGS, ("cat", "dog"), "files").provenance
    assert other["sentences_sha256"] != facts["sentences_sha256"]


def test_save_and_load(tiny, tmp_path):
    direction = direction_of_words(tiny, "cat", "dog", 5)
    path = tmp_path / "made" / "cat2dog.safetensors"
    save_direction(direction, path)
    loaded = load_direction(path)
    assert torch.equal(loaded.delta, direction.delta) and loaded.sha256 == direction.sha256
    assert loaded.provenance == direction.provenance
    first = path.read_bytes()
    save_direction(direction, path)
    assert path.read_bytes() == first and [p.name for p in path.parent.iterdir()] == [path.name]


def test_hash_follows_the_values():
    delta = torch.zeros(1, 2, 3)
    assert Direction(delta, {}).sha256 == Direction(delta.clone(), {"source": "x"}).sha256
    assert Direction(delta, {}).sha256 != Direction(delta + 1e-6, {}).sha256


def test_other_extensions_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"saved as \.safetensors; give such a name instead of cat2dog\.pt"):
        save_direction(Direction(torch.zeros(1, 2, 3), {}), tmp_path / "cat2dog.pt")
    assert not list(tmp_path.iterdir())


def test_unwritable_place(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ValueError, match="cannot be written .*; choose another place"):
        save_direction(Direction(torch.zeros(1, 2, 3), {}), tmp_path / "file" / "a.safetensors")


def test_missing_file(tmp_path):
    with pytest.raises(ValueError, match="There is no edit direction .*; make one with: zeroshift direction make"):
        load_direction(tmp_path / "none.safetensors")


def bad_files() -> dict[str, bytes | dict[str, object]]:
    good = {"provenance": json.dumps({})}
    zeros = torch.zeros(1, LENGTH, WIDTH)
    return {
        "empty": b"",
        "text": b"this is not a tensor file",
        "truncated": b"\x10\x00\x00\x00\x00\x00\x00\x00{",
        "another tensor": {"tensors": {"weight": zeros}, "metadata": good},
        "no provenance": {"tensors": {"delta": zeros}, "metadata": {"format": "zeroshift.direction"}},
        "no metadata": {"tensors": {"delta": zeros}, "metadata": None},
        "provenance that is no JSON": {"tensors": {"delta": zeros}, "metadata": {"provenance": "{"}},
        "one number": {"tensors": {"delta": torch.zeros(())}, "metadata": good},
        "integers": {"tensors": {"delta": zeros.long()}, "metadata": good},
        "not a number": {"tensors": {"delta": zeros / 0}, "metadata": good},
    }


@pytest.mark.parametrize("name", bad_files())
def test_bad_files(name: str, tmp_path):
    content, path = bad_files()[name], tmp_path / "bad.safetensors"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        save_file(content["tensors"], path, content["metadata"])
    with pytest.raises(ValueError, match=r"bad\.safetensors is not an edit direction[;:] "):
        load_direction(path)


@pytest.mark.parametrize("shape", [(1, LENGTH, WIDTH + 1), (1, LENGTH - 1, WIDTH), (1, 77, 768)])
def test_direction_of_another_encoder(tiny, shape: tuple[int, int, int]):
    other = Direction(torch.zeros(shape), {"source": "cat", "target": "fox"})
    with pytest.raises(ValueError, match="direction from cat to fox is .*tokens, width.; make the direction with this"):
        EditDirection().direction(tiny, make_task("cat", "dog", direction=other))
    with pytest.raises(ValueError, match=r"The edit direction is \("):
        RichPrompts().direction(tiny, make_task("cat", "dog", direction=Direction(torch.zeros(shape), {})))


@pytest.mark.parametrize(
    "delta", [torch.zeros(LENGTH, WIDTH), torch.zeros(2, 3, 4), torch.ones(1, 3, 4).long(), torch.ones(1, 3, 4) / 0]
)
def test_values_that_are_no_direction(delta):
    with pytest.raises(ValueError, match=r"^An edit direction is one finite vector per token, .*\(1, tokens, width"):
        Direction(delta, {})


def test_empty_set_of_sentences(tiny):
    with pytest.raises(ValueError, match='no sentences for "dog"; give at least one'):
        make_direction(tiny, CATS, [], ("cat", "dog"), "files")


def test_which_direction_a_task_gets(tiny):
    words, swap = EditDirection(sentences=8), EditDirection(words="swap")
    task = make_task("cat", "dog")
    assert torch.equal(words.direction(tiny, task).delta, direction_of_words(tiny, "cat", "dog", 8).delta)
    swapped = direction_of_prompts(tiny, "a photo of a cat", "a photo of a dog")
    assert torch.equal(swap.direction(tiny, task).delta, swapped.delta)
    whole = make_task("a photo of a cat", "a photo of a dog")
    assert torch.equal(words.direction(tiny, whole).delta, swapped.delta)
    saved = Direction(torch.ones(1, LENGTH, WIDTH), {})
    assert words.direction(tiny, make_task("cat", "dog", direction=saved)) is saved


def test_an_editor_takes_a_direction_in_memory_or_its_file(tiny, tmp_path):
    editor, method = Editor(tiny, {}), Pix2PixZero(steps=2)
    picture = Image.new("RGB", (32, 32), "red")
    made = direction_of_words(tiny, "cat", "dog", 8)
    save_direction(made, tmp_path / "dog.safetensors")
    forms = (made, tmp_path / "dog.safetensors", str(tmp_path / "dog.safetensors"))
    results = [editor.edit(picture, "cat", "dog", direction=form, method=method) for form in forms]
    assert {r.recipe["direction_sha256"] for r in results} == {made.sha256}
    assert len({r.image.tobytes() for r in results}) == 1
    *_, last = editor.stream(picture, "cat", "dog", direction=made, method=method)
    assert last.results[0][0].image.tobytes() == results[0].image.tobytes()
    with pytest.raises(ValueError, match="There is no edit direction nowhere"):
        editor.edit(picture, "cat", "dog", direction="nowhere.safetensors", method=method)


def test_courses_of_the_strength():
    def course(shape: str, strength: float = 2.0) -> tuple[float, ...]:
        return EditDirection(strength=strength, strength_schedule=shape).strengths(4)

    assert course("constant") == (2.0, 2.0, 2.0, 2.0)
    assert course("rising") == pytest.approx((0.25, 0.75, 1.25, 1.75))
    assert course("falling") == pytest.approx((1.75, 1.25, 0.75, 0.25))
    assert course("cosine") == tuple(sorted(course("cosine"), reverse=True))
    assert sum(course("cosine")) == pytest.approx(4.0) and course("rising", 0.0) == (0, 0, 0, 0)


def test_a_words_sentences_are_encoded_once_per_loaded_model():
    backbone, other = tiny_backbone(torch.float64), tiny_backbone(torch.float64)
    with calls(backbone.text_encoder) as seen:
        first = direction_of_words(backbone, "cat", "dog", 20)
        encoded = len(seen)
        again, back = direction_of_words(backbone, "cat", "dog", 20), direction_of_words(backbone, "dog", "cat", 20)
        assert len(seen) == encoded > 0
        direction_of_words(backbone, "cat", "fox", 20)
        assert len(seen) == encoded + encoded // 2
    assert torch.equal(first.delta, again.delta) and torch.equal(first.delta, -back.delta)
    with calls(other.text_encoder) as seen:
        direction_of_words(other, "cat", "dog", 20)
    assert len(seen) == encoded


def test_a_direction_that_leads_nowhere(tmp_path):
    save_direction(Direction(torch.zeros(1, 16, 16), {}), tmp_path / "d.safetensors")
    with pytest.raises(ValueError, match=r"d\.safetensors is zero throughout and would change nothing; make it anew"):
        load_direction(tmp_path / "d.safetensors")


def altered_encoder():
    encoder = text_encoder().double()
    torch.nn.init.constant_(encoder.get_input_embeddings().weight[5:6], 0.1)
    return encoder


def test_doubts_about_a_direction(tiny):
    direction = direction_of_words(tiny, "cat", "dog", 2)
    for source, target in (("cat", "dog"), (None, "Dog"), ("a photo of a cat", "a photo of a dog")):
        assert doubts(direction, tiny, source, target) == []
    (said,) = doubts(direction, tiny, "dog", "cat")
    assert said == "The edit direction leads from cat to dog, and asked for is dog to cat."
    (said,) = doubts(direction, tiny, None, "fox")
    assert said == "The edit direction leads from cat to dog, and asked for is fox."
    tuned = replace(tiny, identity=Identity("other", "1" * 64))
    assert doubts(direction, tuned, "cat", "dog") == []  # the same text encoder
    other = replace(tuned, text_encoder=altered_encoder())
    (said,) = doubts(direction, other, "cat", "dog")
    assert said == "The edit direction from cat to dog was made with the model tiny, not other."
    again = replace(other, identity=Identity("tiny", "2" * 64))
    (said,) = doubts(direction, again, "cat", "dog")
    assert said == "The edit direction from cat to dog was made with another version of the model tiny."
    assert doubts(Direction(torch.ones(1, 16, 16), {}), tiny, "cat", "dog") == []
