"""What a run says of itself, by a clock that the test winds."""

import io
import sys
import time

import pytest

from tests.shell import call
from zeroshift.cli import cost
from zeroshift.cli.progress import shown, waiting, with_lines
from zeroshift.cost import estimate
from zeroshift.running.walking import Progress

STEPS = [
    *(Progress("invert", done, 4, None) for done in (1, 2, 3, 4)),
    *(Progress("edit", done, 3, None) for done in (1, 2, 3)),  # the last comes with what came of it, decoded
]
TIMES = [0, 100, 102, 105, 106, 120, 132, 144]
"""seconds: the beginning, then every step; making a direction took 98 s, decoding 12 s"""
LINES = [
    "invert 1/4",
    "invert 2/4, about 4 s left of this stage",  # 2 s a step, 2 steps
    "invert 3/4, about 2 s left of this stage",  # 2.5 s a step, 1 step
    "invert 4/4",
    "edit 1/3",
    "edit 2/3, about 12 s left of this stage",
    "edit 3/3",
]


def said(pause: float) -> list[str | None]:
    times = iter(TIMES)
    passed, lines = zip(*with_lines(iter(STEPS), lambda: next(times), pause), strict=True)
    assert list(passed) == STEPS
    return list(lines)


def test_time_left_is_of_the_stage_at_its_own_pace():
    assert said(pause=-1) == LINES


def test_the_next_thing_that_is_tried_has_a_pace_of_its_own():
    tries = [(n, total) for total in (30, 32) for n in range(1, total + 1)] + [(n, 32) for n in range(1, 33)]
    steps = [Progress("again", done, total, None) for done, total in tries]
    clock = [0.0, *(60.0 * sum(k >= at for at in (0, 30, 62)) + k for k in range(len(steps)))]  # a second a step
    times = iter(clock)
    lines = [line for _, line in with_lines(iter(steps), lambda: next(times), -1)]
    assert lines[32] == "again 3/32, about 29 s left of this stage"
    assert lines[-30] == "again 3/32, about 29 s left of this stage"


@pytest.mark.parametrize(("pause", "told"), [(15, [0, 4, 6]), (120, [5]), (200, [])])
def test_pause_between_lines(pause: float, told: list[int]):
    assert said(pause) == [line if k in told else None for k, line in enumerate(LINES)]


class Terminal(io.StringIO):
    """What is written to a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("first", [None, "direction"])
def test_a_terminal_shows_the_stages_that_happen(monkeypatch, first: str | None):
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert [step for _, step in shown(((None, step) for step in STEPS), 1, False, first)] == STEPS
    drawn = sys.stderr.getvalue()
    assert "invert" in drawn and ("direction" in drawn) == (first is not None)


def told_at_last(capsys) -> str:
    """What is said on stderr within ten seconds."""
    until = time.monotonic() + 10
    while not (said := capsys.readouterr().err) and time.monotonic() < until:
        time.sleep(0.01)
    return said


def test_without_a_terminal_long_waiting_is_one_line(capsys):
    with waiting("counting", False, patience=0):
        assert told_at_last(capsys) == "counting\n"
    with waiting("counting", False), waiting("counting", True, patience=0), waiting("counting", False, patience=60):
        pass
    assert capsys.readouterr().err == ""


def test_a_cost_that_takes_long_says_so_on_stderr_alone(capsys, monkeypatch):
    said = list[str]()

    def slow(*what: object, **how: object) -> None:
        said.append(told_at_last(capsys))
        raise estimate.WrongSize("It is enough.")

    monkeypatch.setattr(estimate, "measure", slow)
    monkeypatch.setattr(cost, "PATIENCE", 0)
    assert call(capsys, "cost", "--method", "sdedit").out == ""
    assert said == [f"{cost.COUNTING}\n"]
