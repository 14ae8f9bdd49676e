"""Places in a network where a control reads or writes, and the one way in: ``tapped``.

What is installed is removed when the ``with`` block ends, whatever happens; a network at rest is untouched.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from torch import Tensor

Part = Literal["q", "k", "v", "probs", "feature"]


@dataclass(frozen=True)
class Site:
    """A layer of the network."""

    name: str
    """dotted path of the module"""
    kind: Literal["self", "cross", "conv"]
    stage: Literal["down", "mid", "up"]
    scale: int
    """how many times smaller than the latent the layer's grid is, per side"""
    order: int
    """position among the network's sites, in the order in which they run"""


Handler = Callable[[Site, Part, Tensor], Tensor]
Wanted = Callable[[Site], frozenset[Part]]
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

    def wants(self, site: Site, part: Part) -> bool:
        """Tell whether the listener asked for ``part`` of ``site``."""
        return part in self._wanted.get(site, NOTHING)

    def __call__(self, site: Site, part: Part, x: Tensor) -> Tensor:
        """Pass ``x`` through the listener if it asked for it; called by the installed layers."""
        if self._handler is None or not self.wants(site, part):
            return x
        x = self._handler(site, part, x)
        self._left.pop((site, part), None)
        if self._stop and not self._left:
            raise StopForward
        return x

    @contextmanager
    def listening(self, handler: Handler, wanted: Wanted, stop: bool = False) -> Iterator[None]:
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
    """What ``tapped`` needs of a backbone."""

    @property
    def sites(self) -> tuple[Site, ...]: ...

    def tap(self, site: Site, taps: Taps) -> AbstractContextManager[None]: ...


@contextmanager
def tapped(backbone: Tappable, wanted: Wanted) -> Iterator[Taps]:
    """Install taps at every site of which ``wanted`` asks anything; put everything back on exit."""
    chosen = tuple(site for site in backbone.sites if wanted(site))
    taps = Taps(chosen)
    with ExitStack() as installed:
        for site in chosen:
            installed.enter_context(backbone.tap(site, taps))
        yield taps


def select(kind: str, *parts: Part) -> Wanted:
    """Return a selection of ``parts`` at every site of ``kind``."""
    chosen = frozenset(parts)
    return lambda site: chosen if site.kind == kind else NOTHING
