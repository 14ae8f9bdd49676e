"""Inversions with less of what repeats, which are counted in the place of whole ones."""

from dataclasses import replace

from zeroshift.inversion import AnyInversion, NoisedStart, NullTextInversion, Redescription, ValueEmbedding
from zeroshift.inversion.ddim import FinerInversion


def iterations(inversion: AnyInversion, steps: int) -> int:
    """Sum the optimisation steps of an inversion, none stopping early; 0 where nothing is optimised."""
    match inversion:
        case NullTextInversion():
            return inversion.inner_steps * steps
        case Redescription():
            return inversion.inner_steps * steps if inversion.rewrites else 0
        case ValueEmbedding():
            return sum(inversion.most(i) for i in range(steps))
        case _:
            return 0


def with_iterations(inversion: AnyInversion, each: int) -> AnyInversion:
    """Give an inversion that optimises ``each`` optimisation steps at every sampling step."""
    match inversion:
        case NullTextInversion() | Redescription():
            return replace(inversion, inner_steps=each)
        case ValueEmbedding():
            return replace(inversion, inner_steps=each, inner_decay=0.0)
        case _:
            return inversion


def shortened(inversion: AnyInversion) -> AnyInversion:
    """An inversion that few sampling steps are enough for, whose result has the same shapes."""
    match inversion:
        case FinerInversion():
            return replace(inversion, inversion_steps=None)
        case NoisedStart():
            return replace(inversion, noise_strength=1.0)
        case _:
            return with_iterations(inversion, 1)
