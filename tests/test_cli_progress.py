"""What a run says of itself, by a clock that the test winds."""

import pytest

from zeroshift.cli.progress import with_lines
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


@pytest.mark.parametrize(("pause", "told"), [(15, [0, 4, 6]), (120, [5]), (200, [])])
def test_pause_between_lines(pause: float, told: list[int]):
    assert said(pause) == [line if k in told else None for k, line in enumerate(LINES)]
