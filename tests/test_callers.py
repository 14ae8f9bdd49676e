"""One editor and many callers: whoever runs beside others gets, byte for byte, what it gets alone."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import zip_longest
from threading import Barrier, Event, Thread

import pytest
import torch

import zeroshift
from tests.runs import TASK
from tests.test_contract import combined, small
from tests.test_several import pictures
from zeroshift.asked.request import Request
from zeroshift.conditioning.direction import direction_of_words
from zeroshift.control.guidance import AttentionGuidance
from zeroshift.control.replay import Replay
from zeroshift.diffusion.lock import NetworkLock
from zeroshift.diffusion.sites import select, tapped
from zeroshift.inversion import EditFriendlyInversion, NullTextInversion
from zeroshift.inversion.shortened import with_iterations
from zeroshift.methods import METHODS, Method
from zeroshift.running.walking import Progress


def short(method: Method) -> Method:
    return replace(method, steps=2, inversion=with_iterations(method.inversion, 1))


MANY = [short(small(method())) for method in METHODS]
"""every method; value embeddings and redescription are the inversions of two of them"""
KINDS = [method for method in MANY if method.name in ("pix2pix-zero", "plug-and-play", "rediffuser", "style-diffusion")]
"""those that differ in what they install, and when"""


@pytest.fixture(scope="module")
def editor(checkpoint) -> zeroshift.Editor:
    return zeroshift.load(checkpoint, device="cpu", precision="fp32")


def begun(editor: zeroshift.Editor, method: Method, seed: int = 0) -> Iterator[Progress]:
    return editor.run(pictures(1), [Request(TASK, method)], seed=seed)


def bits(step: Progress) -> bytes:
    """What a step has to show: the estimates of the clean latents, and at the end the picture."""
    shown = b"" if step.latents is None else step.latents.numpy().tobytes()
    return shown + b"".join(result.image.tobytes() for row in step.results for result in row)


def bits_of(steps: Iterator[Progress]) -> list[bytes]:
    return [bits(step) for step in steps]


@pytest.fixture(scope="module")
def alone(editor) -> list[list[bytes]]:
    """Every step of every method, with nobody beside it."""
    return [bits_of(begun(editor, method)) for method in MANY]


def at_once(jobs: Sequence[Callable[[], object]]) -> list[object]:
    """Do every job in a thread of its own, all begun together; return what they return, or raise what they raise."""
    ready = Barrier(len(jobs))

    def do(job: Callable[[], object]) -> object:
        ready.wait()
        return job()

    with ThreadPoolExecutor(len(jobs)) as threads:
        return list(threads.map(do, jobs))


def test_every_method_in_a_thread_of_its_own(editor, alone):
    beside = at_once([lambda method=method: bits_of(begun(editor, method)) for method in MANY])
    assert beside == alone


def test_streams_of_every_method_advanced_in_turns(editor, alone):
    beside = zip_longest(*(begun(editor, method) for method in MANY))
    columns = zip(*([step and bits(step) for step in row] for row in beside), strict=True)
    assert [[step for step in column if step is not None] for column in columns] == alone


def test_a_stream_advanced_by_a_new_thread_at_every_step(editor, alone):
    for method in KINDS:
        steps, seen, expected = begun(editor, method), [], alone[MANY.index(method)]
        for _ in expected:
            [step] = at_once([lambda steps=steps: next(steps)])
            seen.append(bits(step))
        assert seen == expected


@pytest.mark.parametrize("left", KINDS, ids=lambda m: m.name)
def test_a_stream_that_nobody_ends_is_in_nobodys_way(editor, alone, left):
    """Left while inverting and while editing: the run after it, and its own rest."""
    n = MANY.index(left)
    steps, other = begun(editor, left), (n + 1) % len(MANY)
    seen = [bits(next(steps)) for _ in range(2)]
    assert bits_of(begun(editor, MANY[other])) == alone[other]
    seen += [bits(next(steps)) for _ in range(len(alone[n]) - 3)]
    assert bits_of(begun(editor, MANY[other])) == alone[other]
    assert seen + bits_of(steps) == alone[n]


def test_streams_dropped_by_another_thread(editor, alone):
    """The collector closes them at any time, in the middle of another thread's step too."""
    done = Event()

    def drop() -> int:
        count = 0
        while not done.is_set():
            steps = begun(editor, MANY[count % len(MANY)])
            next(steps)
            del steps
            count += 1
        return count

    def run() -> list[list[bytes]]:
        try:
            return [bits_of(begun(editor, method)) for method in KINDS]
        finally:
            done.set()

    dropped, beside = at_once([drop, run])
    assert beside == [alone[MANY.index(method)] for method in KINDS] and dropped > 0


@pytest.mark.parametrize("method", KINDS, ids=lambda m: m.name)
def test_a_run_that_fails_leaves_nothing_behind(editor, alone, method):
    """The network fails at its first call, and later in the middle of a step; the next run is what it is alone."""
    unet, other = editor.backbone.unet, (MANY.index(method) + 2) % len(MANY)

    def failing(n: int) -> Callable[..., None]:
        def count(*_: object) -> None:
            nonlocal n
            n -= 1
            if n < 0:
                raise ZeroDivisionError

        return count

    for n in (0, 3, 4):
        planted = unet.mid_block.register_forward_pre_hook(failing(n))
        try:
            with pytest.raises(ZeroDivisionError):
                list(begun(editor, method))
        finally:
            planted.remove()
        assert bits_of(begun(editor, MANY[other])) == alone[other]


def test_everything_that_an_editor_does_at_once(editor):
    """Edits, inversions, generated pictures, directions and bare passes of the network."""
    backbone, source = editor.backbone, pictures(1)
    replayed = Request(TASK, short(combined(METHODS[1], control=Replay())))
    fitted = Request(TASK, short(combined(METHODS[1], inversion=NullTextInversion())))
    noised = Request(TASK, combined(METHODS[1], inversion=EditFriendlyInversion(skip=0.0)))
    x, text = torch.ones(1, 4, 8, 8), backbone.embed(["a photo of a cat"])

    def inverted(request: Request) -> list[str]:
        *_, last = editor.invert(source, request)
        return [last.trajectory.sha256(0)]

    def passes() -> list[bytes]:
        with torch.no_grad():
            return [backbone.predict(x, 401, text).numpy().tobytes() for _ in range(20)]

    jobs: list[Callable[[], object]] = [
        lambda: bits_of(editor.run(source, [replayed])),
        lambda: bits_of(begun(editor, MANY[0])),
        lambda: inverted(fitted),
        lambda: inverted(noised),
        lambda: [editor.generate(prompt, steps=4).tobytes() for prompt in ("a cat", "a dog on a sofa")],
        lambda: [direction_of_words(backbone, "cat", word, 40).sha256 for word in ("dog", "horse", "dog")],
        lambda: [backbone.tokens(text) for text in ("a cat", "a photo of a dog") * 50],
        passes,
    ]
    expected = [job() for job in jobs]
    assert at_once(jobs) == expected


def test_an_edit_inside_a_step_of_another_is_refused(editor, alone):
    """Its own thread has the network, so waiting would never end; nothing is left of either."""
    backbone, wanted = editor.backbone, select("cross", "probs")
    with tapped(backbone, wanted), pytest.raises(zeroshift.Busy, match="in the middle of a step of another edit"):
        list(begun(editor, MANY[0]))
    assert isinstance(zeroshift.Busy(), RuntimeError)
    assert bits_of(begun(editor, MANY[0])) == alone[0]


def test_the_lock_is_given_in_turn():
    """Who takes it again and again lets another in after one turn, not when it is done."""
    lock, entered, over = NetworkLock(), Event(), Event()
    turns = 0

    def other() -> None:
        with lock.held():
            entered.set()

    waiting = Thread(target=other)
    with lock.held(), lock.held():
        waiting.start()
        while not lock._gate.locked():
            pass
    while not entered.is_set() and turns < 1000:
        with lock.held():
            turns += 1
            over.wait(0.001)
    waiting.join()
    assert turns <= 1 and not lock.mine


def test_the_lock_may_be_taken_again_but_not_alone():
    lock = NetworkLock()
    with lock.held_alone():
        assert lock.mine
        with lock.held():
            pass
        assert lock.mine
        with pytest.raises(zeroshift.Busy), lock.held_alone():
            pass
    assert not lock.mine
    with pytest.raises(ZeroDivisionError), lock.held():
        raise ZeroDivisionError
    assert not lock.mine and at_once([lambda: lock.mine]) == [False]


def test_guidance_without_maps_shares_a_network_too(editor):
    """Passes that tap nothing wait as well: they would run through the taps of others."""
    plain, guided = short(combined(METHODS[0], control=AttentionGuidance(lambda_xa=0))), MANY[0]
    expected = [bits_of(begun(editor, method)) for method in (plain, guided)]
    jobs = [lambda method=method: bits_of(begun(editor, method)) for method in (plain, guided)]
    assert at_once(jobs * 2) == expected * 2
