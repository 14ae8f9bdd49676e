"""Pictures and edits that one run can do, taken together."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from zeroshift.asked.request import Request
from zeroshift.framed import FramedPhoto
from zeroshift.memory.room import Room
from zeroshift.methods.base import source_key
from zeroshift.recipe import MOST_ROWS

BATCH = 16
"""pictures that run together at most, unless somebody says otherwise"""
WAITING = 4
"""batches' worth of pictures that wait for company at most"""


@dataclass(frozen=True, eq=False)
class Asked:
    """One picture, and all that is asked of it."""

    place: int
    """which of the pictures"""
    edits: Sequence[int]
    """which of the edits that were asked for, in their order: those that make sense of it"""
    requests: Sequence[Request]
    """the same, resolved"""
    seeds: Sequence[int]
    """of every request"""
    frame: FramedPhoto | None
    """None: the model generates the source"""


@dataclass(frozen=True, eq=False)
class Group:
    """What one run does: the same edits of every picture, on one inversion and one walk of the source branch."""

    edits: tuple[int, ...]
    """which of the edits that were asked for, in their order"""
    requests: tuple[Request, ...]
    """the same, resolved"""
    members: list[int] = field(default_factory=list)
    """the pictures by their place in what was asked for"""
    seeds: list[int] = field(default_factory=list)
    """of every picture"""
    frames: list[FramedPhoto] = field(default_factory=list)
    """every picture; none where the model generates the source"""
    room: Room = field(default_factory=lambda: Room(MOST_ROWS))
    """for how many pictures there is room"""

    @property
    def most(self) -> int:
        """How many pictures such as these there is room for; of a single one nothing is known, and it is tried."""
        alone = len(self.frames) < 2
        return self.room.most if alone else self.room.together(self.requests, self.frames[0].pixels.size)

    def parts(self, most: int) -> "Iterator[Group]":
        """The same work in groups of ``most`` pictures."""
        for row in range(0, len(self.members), most):
            own = slice(row, row + most)
            members, seeds, frames = self.members[own], self.seeds[own], self.frames[own]
            yield Group(self.edits, self.requests, members, seeds, frames, self.room)


def grouped(asked: Iterable[Asked], room: Room) -> Iterator[Group]:
    """Take pictures together as they come: those of one framed size and of the same edits on the same source.

    A group is there as soon as it is full, so that no more than a few batches are held at a time. Edits of one picture
    that cannot share its source (other prompts, another inversion, another seed) fall into several groups.

    Args:
        asked: pictures one after another; read no further than is needed.
        room: says how many run together at most.
    """
    waiting: dict[tuple[object, ...], Group] = {}
    for one in asked:
        for together in sharing(one.requests, one.seeds, photograph=one.frame is not None):
            edits, requests = tuple(one.edits[n] for n in together), tuple(one.requests[n] for n in together)
            size = None if one.frame is None else (one.frame.framing.frame_size, one.frame.fit)
            key = (size, edits, requests)
            group = waiting.setdefault(key, Group(edits, requests, room=room))
            group.members.append(one.place)
            group.seeds.append(one.seeds[together[0]])
            group.frames.extend([one.frame] if one.frame is not None else [])
            most = group.most
            if len(group.members) >= most:
                yield from waiting.pop(key).parts(most)
        if sum(len(group.members) for group in waiting.values()) > WAITING * room.most:
            yield waiting.pop(max(waiting, key=lambda key: len(waiting[key].members)))
    yield from waiting.values()


def sharing(requests: Sequence[Request], seeds: Sequence[int], *, photograph: bool) -> list[tuple[int, ...]]:
    """Edits of one picture, by index, in groups that share the work on its source, in the order of each one's first."""
    found: list[tuple[tuple[object, ...], list[int]]] = []
    for n, (request, seed) in enumerate(zip(requests, seeds, strict=True)):
        key = (seed, *source_key(request.method, request.task, photograph))
        same = next((members for other, members in found if other == key), None)
        if same is None:
            found.append((key, [n]))
        else:
            same.append(n)
    return [tuple(members) for _, members in found]
