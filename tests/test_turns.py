"""One run at a time on a device, whoever asks for it."""

from threading import Thread

from zeroshift.running.turns import Turns


def test_turns_come_in_the_order_of_the_line():
    turns, ran = Turns(), list[int]()

    def run(k: int) -> None:
        with turns.one() as turn:
            stands.append(k)
            turn.wait()
            ran.append(k)

    with turns.one() as first:
        assert first.wait(0) and first.ahead == 0 and turns.busy
        stands, waiting = list[int](), []
        for k in range(3):
            waiting.append(Thread(target=run, args=(k,)))
            waiting[-1].start()
            while len(stands) <= k:
                pass
        with turns.one() as last:
            assert last.ahead == 4 and not last.wait(0.01)
        assert not ran
    for one in waiting:
        one.join()
    assert ran == [0, 1, 2] and not turns.busy


def test_who_leaves_the_line_or_fails_lets_the_next_one_go():
    turns = Turns()
    with turns.one() as first:
        second = turns.one()
        second.__enter__()
        with turns.one() as third:
            assert third.ahead == 2
            second.__exit__(None, None, None)
            assert third.ahead == 1
        assert first.ahead == 0
    try:
        with turns.one():
            raise ValueError
    except ValueError:
        pass
    with turns.one() as next_one:
        assert next_one.wait(0)
