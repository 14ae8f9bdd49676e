"""Places in a network where a control reads or writes, and the one way in: ``Backbone.install``.

What is installed is removed when the ``with`` block ends, whatever happens; a network at rest is untouched. A run
installs its taps for one step at a time, so that between steps the network is anybody's.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from torch import Tensor

Part = Literal["q", "k", "v", "probs", "output", "feature"]


@dataclass(frozen=True)
class Site:
    """A layer of the network."""

    name: str
    """dotted path of the module"""
    kind: Literal["self", "cross", "conv", "deep"]
    """attention, the last convolution of a residual block, or all of the network between its finest stages"""
    stage: Literal["down", "mid", "up"]
    scale: int
    """how many times smaller than the latent the layer's grid is, per side"""
    order: int
    """position among the network's sites, in the order in which they run"""


Compute = Callable[[], Tensor]
"""what a layer would compute itself; not called, not computed"""
Handler = Callable[[Site, Part, Compute], Tensor]
Selection = Callable[[Site], frozenset[Part]]
Recording = dict[tuple[Site, Part], Tensor]
NOTHING: frozenset[Part] = frozenset()


class StopForward(Exception):  # noqa: N818 - control flow, not an error
    """Raised inside the network after the last wanted site, caught in ``Taps.measuring``."""


@dataclass
class Taps:
    """The switchboard between installed layers and whoever listens at the moment."""

    sites: tuple[Site, ...]
    _handler: Handler | None = None
    _wanted: Mapping[Site, frozenset[Part]] = field(default_factory=dict)
    _left: dict[tuple[Site, Part], int] = field(default_factory=dict)
    _stop: bool = False
    values: Tensor | None = None
    """what value projections see during this pass instead of the tokens, (N, L, D)"""

    @property
    def listened(self) -> frozenset[str]:
        """The names of the sites of which the listener asked for anything."""
        return frozenset(site.name for site in self._wanted)

    def wants(self, site: Site, part: Part) -> bool:
        """Whether the listener asked for ``part`` of ``site``."""
        return part in self._wanted.get(site, NOTHING)

    def __call__(self, site: Site, part: Part, compute: Compute) -> Tensor:
        """Pass a part through the listener if it asked for it; called by the installed layers."""
        if self._handler is None or not self.wants(site, part):
            return compute()
        x = self._handler(site, part, compute)
        self._left.pop((site, part), None)
        if self._stop and not self._left:
            raise StopForward
        return x

    @contextmanager
    def seeing(self, values: Tensor | None) -> Iterator[None]:
        """Give the value projections of every cross-attention layer ``values`` (N, L, D) for one pass.

        Raises:
            RuntimeError: no cross-attention layer is tapped, so the values would silently do nothing.
        """
        if values is not None and not any(site.kind == "cross" for site in self.sites):
            raise RuntimeError("Learned values need taps at the cross-attention layers; install them first.")
        self.values = values
        try:
            yield
        finally:
            self.values = None

    @contextmanager
    def hearing_again(self, handler: Handler, wanted: Selection) -> Iterator[None]:
        """Send the wanted parts through ``handler`` where layers of an earlier pass run once more, for a gradient."""
        self._handler, self._wanted = handler, {s: parts for s in self.sites if (parts := wanted(s))}
        try:
            yield
        finally:
            self._handler, self._wanted = None, {}

    @contextmanager
    def listening(self, handler: Handler, wanted: Selection, stop: bool = False) -> Iterator[None]:
        """Send the wanted parts of one forward pass through ``handler``.

        With ``stop`` the pass ends right after the last of them and has no output.

        Raises:
            RuntimeError: a wanted part never came, so the edit would silently do nothing.
        """
        self._wanted = {s: parts for s in self.sites if (parts := wanted(s))}
        self._left = {(s, p): 1 for s, parts in self._wanted.items() for p in parts}
        self._handler, self._stop = handler, stop
        try:
            yield
        except StopForward:
            pass
        finally:
            left, self._handler, self._wanted, self._left, self._stop = self._left, None, {}, {}, False
        if left:
            names = ", ".join(f"{site.name}:{part}" for site, part in left)
            raise RuntimeError(f"These layers were asked for but never ran: {names}; the network is not supported.")


class Tappable(Protocol):
    """A network that taps can be installed in."""

    @property
    def sites(self) -> tuple[Site, ...]: ...

    def install(self, taps: Taps) -> AbstractContextManager[None]: ...


def taps_at(backbone: Tappable, wanted: Selection) -> Taps:
    """Taps for every site of which ``wanted`` asks anything, not installed yet."""
    return Taps(tuple(site for site in backbone.sites if wanted(site)))


@contextmanager
def tapped(backbone: Tappable, wanted: Selection) -> Iterator[Taps]:
    """Install taps at every site of which ``wanted`` asks anything; put everything back on exit.

    Raises:
        Busy: this thread has taps installed already.
    """
    taps = taps_at(backbone, wanted)
    with backbone.install(taps):
        yield taps


def recorder(seen: Recording) -> Handler:
    """A handler that keeps every part it is called for in ``seen`` and changes nothing."""

    def keep(site: Site, part: Part, compute: Compute) -> Tensor:
        seen[site, part] = compute()
        return seen[site, part]

    return keep


def nowhere(site: Site) -> frozenset[Part]:
    """Select nothing."""
    return NOTHING


def quarter_cross(sites: Iterable[Site]) -> frozenset[Site]:
    """The cross-attention layers at a quarter of the latent's side, on the way down and up: 5 in SD 1.

    Where there are none, those of the coarsest side that both ways have; nothing if they have none in common.
    """
    cross = [site for site in sites if site.kind == "cross" and site.stage != "mid"]
    both = {s.scale for s in cross if s.stage == "down"} & {s.scale for s in cross if s.stage == "up"}
    scale = 4 if 4 in both else max(both, default=0)
    return frozenset(site for site in cross if site.scale == scale)


def select(kind: str, *parts: Part) -> Selection:
    """A selection of ``parts`` at every site of ``kind``."""
    chosen = frozenset(parts)
    return lambda site: chosen if site.kind == kind else NOTHING
