"""What is guessed to lie behind a subject that is gone."""

import numpy as np

from zeroshift.image.blending import blended
from zeroshift.image.filling import behind

EVERYWHERE = np.ones((96, 128), bool)


def wall() -> np.ndarray:
    """A wall whose light falls off from left to right, (96, 128, 3)."""
    return np.repeat(np.tile(np.linspace(60, 187, 128), (96, 1))[..., None], 3, 2).round().astype(np.uint8)


def disc(x: int, y: int, radius: int) -> np.ndarray:
    rows, columns = np.mgrid[:96, :128]
    return np.asarray((columns - x) ** 2 + (rows - y) ** 2 <= radius**2)


def test_a_wall_goes_on_behind_what_stood_before_it():
    photograph, subject = wall(), disc(64, 48, 20)
    photograph[subject] = (250, 10, 10)
    guess, share = behind(photograph, disc(64, 48, 22), EVERYWHERE)
    assert (share == 1).all()  # all of its surroundings are seen
    assert np.abs(guess[subject] - wall()[subject]).max() < 14  # of the 40 levels that the wall has there
    assert np.abs(guess[~disc(64, 48, 30)] - photograph[~disc(64, 48, 30)]).max() <= 1


def test_a_body_goes_on_below_a_head_and_no_wall_is_guessed_there():
    subject = disc(64, 48, 20)
    subject[48:, 54:75] = True  # the body, down to where the part that is looked at ends
    _, share = behind(wall(), subject, EVERYWHERE)
    assert (share == 1).all()  # the end of the photograph is none of what is seen
    known = EVERYWHERE.copy()
    known[80:] = False
    _, share = behind(wall(), subject, known)
    assert share[79, 64, 0] == 0 and share[78, 60, 0] == 0  # where the body leaves it
    assert share[30, 64, 0] == share[48, 46, 0] == 1  # the crown and the cheek stand before the wall
    assert share[40:50, 64, 0].min() > share[60:, 64, 0].max()  # less of it on the way down


def test_nothing_is_guessed_where_nothing_is_seen():
    _, share = behind(wall(), EVERYWHERE, EVERYWHERE)
    assert not share.any()


def test_ears_that_a_result_has_no_more_are_gone():
    """The edit drew something of them, which is no dog's."""
    photograph, head, ears = wall(), disc(64, 52, 20), disc(50, 30, 9) | disc(78, 30, 9)
    photograph[head | ears] = (200, 160, 40)
    edited = wall()
    edited[ears], edited[head] = (250, 250, 250), (30, 30, 30)
    mask = disc(64, 52, 22) | disc(50, 30, 11) | disc(78, 30, 11)
    result = blended(photograph, edited, mask, 2, EVERYWHERE, kept=head, absent=~head)
    gone = (disc(50, 30, 8) | disc(78, 30, 8)) & ~disc(64, 52, 24)
    assert np.abs(result[gone].astype(int) - wall()[gone]).mean() < 10
    assert (result[disc(64, 52, 15)] == 30).all() and (result[~mask] == photograph[~mask]).all()
    unsure = blended(photograph, edited, mask, 2, EVERYWHERE, kept=head)
    assert np.abs(unsure[gone].astype(int) - wall()[gone]).mean() > 20  # where nobody is sure the edit stays
