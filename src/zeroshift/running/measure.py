"""By what the results of one request are compared, where several ways to make them are tried."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf

from zeroshift.asked.request import Request
from zeroshift.captioning import Rating
from zeroshift.critic import Critic
from zeroshift.framed import FramedPhoto
from zeroshift.model import Model
from zeroshift.results import Result


@dataclass(frozen=True)
class Measure:
    """How good results are, and from when on nothing else is tried."""

    values: Callable[[Sequence[Result], Sequence[FramedPhoto]], list[float]]
    """of results, and the frames in which their photographs are looked at: more is better; below 0 the target cannot be
    seen"""
    enough: float
    """the value from which on nothing else is tried"""
    by: float
    """by how much more something else is to have, so that it is taken instead"""
    of_looks: bool
    """whether it is how good they look, and not how clear the target is"""
    nearer: str
    """what is said of a result that was made from nearer and has more"""

    def in_order(self, results: Sequence[Result], frame: FramedPhoto) -> bool:
        """Whether no result of one picture is worse than the one before it."""
        values = self.values(results, [frame] * len(results))
        return values == sorted(values)

    def is_better(self, value: float, before: float) -> bool:
        """Whether a result with this value is taken in place of one with that ``before``."""
        return value >= max(before + self.by, 0.0)


def measure_of(editor: Model, request: Request) -> Measure | None:
    """By what results of a request are compared: how good they look, else how clear the target is; None: by nothing."""
    critic, judge = editor.critic, editor.judge
    if critic is not None and request.restored and critic.knows(request.task.target_prompt):
        nearer = "The target looked less good in the usual part; this is made from nearer."
        return Measure(partial(looks, critic), critic.enough, critic.better_by, of_looks=True, nearer=nearer)
    if isinstance(judge, Rating):
        nearer = "The target was less clear in the usual part; this is made from nearer."
        return Measure(clarities, judge.clear, judge.nearer_by, of_looks=False, nearer=nearer)
    return None


def looks(critic: Critic, results: Sequence[Result], frames: Sequence[FramedPhoto]) -> list[float]:
    """How good results look in these frames, 0 to 4; -1 where the target cannot be seen."""
    seen = [f.framing.view(result.image.convert("RGB")) for f, result in zip(frames, results, strict=True)]
    scores = critic.scores(seen)
    return [score if clarity_of(result) >= 0 else -1.0 for score, result in zip(scores, results, strict=True)]


def clarities(results: Sequence[Result], _: Sequence[FramedPhoto]) -> list[float]:
    """How clearly the targets of results can be seen."""
    return [*map(clarity_of, results)]


def clarity_of(result: Result) -> float:
    """How clearly the target can be seen; without end where nobody can tell."""
    known = None if result.verdict is None else result.verdict.clarity
    return inf if known is None else known
