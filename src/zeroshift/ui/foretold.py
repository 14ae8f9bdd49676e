"""What edits side by side will cost, said before they are made: passes of the network, and about how many seconds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from threading import Event
from typing import TYPE_CHECKING, Any

from zeroshift.asked.edits import EditSpec
from zeroshift.backbones.checkpoint import SHIPPED
from zeroshift.cost.looks import words_asked
from zeroshift.ui import telling
from zeroshift.ui.asking import Fields, at_intensity
from zeroshift.ui.desk import Desk
from zeroshift.ui.parts import Page
from zeroshift.ui.students import is_students
from zeroshift.ui.work import cost_of

if TYPE_CHECKING:
    from zeroshift.ui.comparing import Comparing

LAST = 8
"""edits of a page by which its pace is told"""


def passes(page: Page, spec: EditSpec, *, shared: bool = False) -> float:
    """What an edit costs in SF, without its inversion where that is ``shared``; a student passes no UNet.

    Counting takes seconds once for each method: another intensity costs the same, and is not counted anew.

    Raises:
        ValueError: an option is unusable.
    """
    if is_students(spec):
        return 0.0
    model = str(SHIPPED) if page.model is None else page.model
    cost = cost_of(at_intensity(spec, 1).built(page.editor), model)
    mask = cost.auto_mask_sf * words_asked(spec, page.editor)
    return (cost.further_edit_sf if shared else cost.first_edit_sf) + mask


def counted(page: Page, specs: Mapping[str, EditSpec], stop: Event | None = None) -> Iterator[dict[str, float]]:
    """Yield the SF of the first edits, one more each time; one that cannot be made has none, its card says why."""
    found: dict[str, float] = {}
    for title, spec in specs.items():
        if stop is not None and stop.is_set():
            return
        try:
            found[title] = passes(page, spec)
        except ValueError:
            continue
        yield found


def cheapest_first(specs: Mapping[str, EditSpec], costs: Mapping[str, float]) -> dict[str, EditSpec]:
    """The same edits by their costs; those that have none, which fail at once, stand at the beginning."""
    return dict(sorted(specs.items(), key=lambda one: costs.get(one[0], -1.0)))


def pace(page: Page, desk: Desk) -> float | None:
    """Seconds of this page's edits for each SF; None before there was one."""
    seconds, cost, inverted = 0.0, 0.0, set()
    for made in [*desk.made][-LAST:]:
        if made.seconds is None or made.source is None or is_students(made.spec):
            continue
        key = made.source.sha256, made.spec.method
        seconds, cost = seconds + made.seconds, cost + passes(page, made.spec, shared=key in inverted)
        inverted.add(key)
    return seconds / cost if cost else None


def sentence(page: Page, desk: Desk, costs: Mapping[str, float]) -> str:
    """What the edits of those costs will take."""
    if not costs:
        return ""
    whole, least, most = sum(costs.values()), min(costs.values()), max(costs.values())
    each = f"{least:.0f} SF" if f"{least:.0f}" == f"{most:.0f}" else f"{least:.0f} to {most:.0f} SF"
    there = pace(page, desk)
    told = f"{len(costs)} edits of {each}" if len(costs) > 1 else f"1 edit of {each}"
    took = "how long that takes is known after the first" if there is None else f"about {lasting(whole * there)}"
    first = ", the cheapest first" if len(costs) > 1 else ""
    return telling.note(f"{told}, at most {whole:.0f} SF in all{first}: {took}. Shared inversions make it less.")


def lasting(seconds: float) -> str:
    """A time as nobody knows it better: 8 s, 40 s, 6 min."""
    if seconds < 10:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds, -1):.0f} s" if seconds < 115 else f"{seconds / 60:.0f} min"


def counting(done: int, of: int) -> str:
    """What is said meanwhile."""
    return telling.note(f"Counting what {of} edits cost, {done} counted.")


def untold(desk: Desk) -> str:
    """Nothing, where other edits are asked for than were told of: nor is what is still counted of those told later."""
    desk.compared += 1
    return ""


@dataclass(frozen=True, eq=False)
class Foretelling:
    """The sentence beside Compare, while somebody chooses what to compare."""

    page: Page
    comparing: "Comparing"

    def told(self, desk: Desk, by: str, methods: list[str], seeds: str, strengths: str, *given: Any) -> Iterator[str]:
        """Say what it will cost."""
        if desk.photo is None:
            yield ""
            return
        fields = Fields(*given)
        try:
            asked = replace(fields, target=fields.target or "dog")
            specs = self.comparing.specs(desk, by, methods, seeds, strengths, asked)
        except ValueError as error:
            yield telling.doubts([str(error)])
            return
        costs, begun = dict[str, float](), desk.compared
        yield counting(0, len(specs)) if specs else ""
        for costs in counted(self.page, specs):
            if desk.compared != begun:  # Gradio tells what comes of a step that ran when it was cancelled
                return
            yield counting(len(costs), len(specs))
        if desk.compared == begun:
            yield sentence(self.page, desk, costs)
