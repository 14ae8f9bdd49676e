"""Inversions that are kept: what makes a key, what a store forgets, and that a second edit inverts nothing."""

import pytest

from tests.saved import METHOD, REQUEST, picture, random_trajectory
from zeroshift.asked.edits import EditSpec
from zeroshift.asked.request import Request
from zeroshift.asked.together import spread
from zeroshift.conditioning.task import make_task
from zeroshift.editor import Editor
from zeroshift.framed import framed
from zeroshift.inversions import InversionMemory, inversion_key, size_of

FEW = {"steps": 3, "conditioning": {"words": "swap"}}


@pytest.fixture(scope="module")
def editor(tiny) -> Editor:
    return Editor(tiny, {})


def passes(tiny, run) -> tuple[int, list[bytes]]:
    """Passes of the network that a run takes, and what its pictures are."""
    calls = []
    hook = tiny.unet.register_forward_hook(lambda *_: calls.append(1))
    try:
        *_, last = run
    finally:
        hook.remove()
    return len(calls), [result.native.tobytes() for row in last.results for result in row]


@pytest.mark.parametrize("further", [{"target": "fox"}, {"options": {**FEW, "guidance_scale": 3.0}}, {}])
def test_a_further_edit_inverts_nothing_and_is_the_same(editor, tiny, further):
    store, spec = InversionMemory(), EditSpec(target="dog", source="cat", method="pix2pix-zero", options=FEW)
    other = spec.model_copy(update=further) if further else spread(spec, [0.5])[0]
    photos = [picture(0), picture(1)]

    def run(one: EditSpec, store: InversionMemory | None):
        return passes(tiny, editor.run(photos, [one.resolve(editor)], inversions=store))

    cold, alone = run(other, None)
    inverting = passes_of_inversion(editor, tiny, photos, spec)
    first, _ = run(spec, store)
    second, shared = run(other, store)
    assert (len(store), first - second) == (1, cold - second) == (1, inverting)
    assert shared == alone


def test_edit_and_stream_share_kept_inversions(editor):
    store, photos = InversionMemory(), [picture(0), picture(1)]
    spec = EditSpec(target="dog", source="cat", method="pix2pix-zero", options=FEW, region="25%,25%,50%,50%")
    once = editor.edit(photos, spec, inversions=store)
    assert len(store) == 1
    again = editor.edit(photos, spec, inversions=store)
    assert [result.image.tobytes() for result in once] == [result.image.tobytes() for result in again]
    assert [result.recipe for result in once] == [result.recipe for result in again]
    *_, first = editor.stream(photos[0], spec, inversions=store)
    phases = [step.latents is None for step in editor.stream(photos[0], spec, inversions=store)]
    assert len(store) == 2 and not any(phases)
    assert first.results[0][0].recipe["region"] == once[0].recipe["region"]


def passes_of_inversion(editor, tiny, photos, spec) -> int:
    calls = []
    hook = tiny.unet.register_forward_hook(lambda *_: calls.append(1))
    list(editor.invert(photos, spec.resolve(editor)))
    hook.remove()
    return len(calls)


def test_everything_that_an_inversion_depends_on_is_in_its_key(tiny):
    def key(request=REQUEST, photos=(0,), seeds=(0,), fit="pad", where=None):
        return inversion_key(tiny, framed(tiny, map(picture, photos), fit, where), request, seeds=seeds)

    spec = EditSpec(target="dog", source="cat", method="pix2pix-zero", options=FEW)
    maps = {**FEW, "control": {"maps_from": "inversion"}}
    others = [
        key(photos=(1,)),
        key(photos=(0, 0), seeds=(0, 0)),
        key(photos=(0, 0), seeds=(0, 1)),
        key(seeds=(1,)),
        key(fit="crop"),
        key(where=lambda _: (0, 0, 20, 20)),
        key(Request(make_task("cat", "dog", "a cat"), METHOD)),
        key(spec.model_copy(update={"options": {**FEW, "steps": 4}}).resolve(Editor(tiny, {}))),
        key(spec.model_copy(update={"options": maps}).resolve(Editor(tiny, {}))),
    ]
    assert len({key(), *others}) == len(others) + 1
    assert key(Request(make_task("cat", "fox"), METHOD)) == key()


def test_what_was_not_used_for_longest_is_forgotten_first(tiny):
    one, two, three = (random_trajectory(tiny, dtype=tiny.embed([""]).tokens.dtype, replayed=False) for _ in range(3))
    store = InversionMemory(2 * size_of(one))
    assert size_of(one) == 5 * 2 * 4 * 8 * 8 * 8  # five latents of float64
    store.put("one", one)
    store.put("two", two)
    assert store.get("one") is one
    store.put("three", three)
    assert (store.get("one"), store.get("two"), store.get("three")) == (one, None, three)
    InversionMemory(1).put("one", one)
    small = InversionMemory(size_of(one) - 1)
    small.put("one", one)
    assert small.get("one") is None
