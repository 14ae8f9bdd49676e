"""What is guessed to lie behind a subject that is gone."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from PIL import Image

from zeroshift.asked.request import Request
from zeroshift.conditioning.task import make_task
from zeroshift.framed import framed_as
from zeroshift.frames import Choice
from zeroshift.image import Photo
from zeroshift.image.blending import blended
from zeroshift.image.changes import disk
from zeroshift.image.filling import behind
from zeroshift.masks.beyond import beyond
from zeroshift.masks.growing import body_of, grown, without_thin
from zeroshift.methods import DDIM
from zeroshift.results import Place, eased_in, whole

EVERYWHERE = np.ones((96, 128), bool)
NOWHERE = ~EVERYWHERE


def wall() -> np.ndarray:
    """A wall whose light falls off from left to right, (96, 128, 3)."""
    return np.repeat(np.tile(np.linspace(60, 187, 128), (96, 1))[..., None], 3, 2).round().astype(np.uint8)


def disc(x: int, y: int, radius: int) -> np.ndarray:
    rows, columns = np.mgrid[:96, :128]
    return np.asarray((columns - x) ** 2 + (rows - y) ** 2 <= radius**2)


def test_a_wall_goes_on_behind_what_stood_before_it():
    photograph, subject = wall(), disc(64, 48, 20)
    photograph[subject] = (250, 10, 10)
    guess, share = behind(photograph, disc(64, 48, 22), NOWHERE)
    assert (share == 1).all()  # all of its surroundings are seen
    assert np.abs(guess[subject] - wall()[subject]).max() < 14  # of the 40 levels that the wall has there
    assert np.abs(guess[~disc(64, 48, 30)] - photograph[~disc(64, 48, 30)]).max() <= 1


def test_a_body_goes_on_below_a_head_and_no_wall_is_guessed_there():
    subject = disc(64, 48, 20)
    subject[48:, 54:75] = True  # the body, down to where the part that is looked at ends
    _, share = behind(wall(), subject, NOWHERE)
    assert (share == 1).all()  # it ends with the photograph
    body = NOWHERE.copy()
    body[80:, 50:80] = True
    subject[80:] = False
    _, share = behind(wall(), subject, body)
    assert share[79, 64, 0] == 0 and share[78, 60, 0] == 0  # where the body leaves it
    assert share[30, 64, 0] == share[48, 46, 0] == 1  # the crown and the cheek stand before the wall
    assert share[40:50, 64, 0].min() > share[60:, 64, 0].max()  # less of it on the way down


def bricks() -> np.ndarray:
    """Rows of bricks with light joints, (96, 128, 3)."""
    rows, columns = np.mgrid[:96, :128]
    joints = (rows % 12 < 2) | ((columns + 12 * (rows // 12 % 2)) % 24 < 2)
    return np.where(joints[..., None], (210, 205, 200), (150, 70, 50)).astype(np.uint8)


def test_bricks_go_on_behind_what_stood_before_them():
    """A pattern that repeats itself continues in its own step, where colours alone would only be even."""
    photograph, subject = bricks(), disc(64, 48, 16)
    photograph[subject] = (10, 10, 250)
    guess, _ = behind(photograph, subject, NOWHERE)
    truth, wrong = bricks()[subject], guess[subject]
    assert np.corrcoef(truth[:, 1], wrong[:, 1])[0, 1] > 0.8
    assert np.abs(truth.mean(0) - wrong.mean(0)).max() < 15


def test_colours_meet_what_is_seen_without_a_step():
    """A wall with a shadow's edge behind the subject: what is guessed begins where the wall ends, all around."""
    photograph = np.full((96, 128, 3), 170, np.uint8)
    photograph[:, 64:] = 90
    subject = disc(64, 48, 22)
    photograph[subject] = (250, 10, 10)
    guess, _ = behind(photograph, subject, NOWHERE, 1)
    ring = disc(64, 48, 22) & ~disc(64, 48, 20) & ~disc(64, 26, 8) & ~disc(64, 70, 8)  # but for where the edge begins
    wanted = np.where(np.arange(128) < 64, 170, 90)[None, :, None]
    assert np.abs(guess - wanted)[ring].max() < 12


def test_a_smooth_wall_beside_a_rope_gets_nothing_of_the_rope():
    """Patches of other colours would leave their outlines there."""
    grain = np.random.default_rng(0).normal(0, 2, (96, 128, 1))
    photograph = (wall() + grain).clip(0, 255).astype(np.uint8)
    photograph[:, 100:] = np.where((np.mgrid[:96, :28].sum(0) % 8 < 4)[..., None], (150, 120, 70), (90, 70, 40))
    photograph[disc(64, 48, 24)] = (250, 10, 10)
    guess, _ = behind(photograph, disc(64, 48, 24), NOWHERE, 1)
    fine = guess - cv2.GaussianBlur(guess, (0, 0), 3)
    assert np.abs(fine[disc(64, 48, 20)]).mean() < 2.2  # the grain's is 1.5


def test_a_photograph_stays_around_a_subject_that_is_gone():
    """Also where the mask is wider than the subject, as where a result has its own outline."""
    photograph, ears = bricks(), disc(64, 30, 8)
    photograph[ears] = (10, 10, 250)
    edited = np.full((96, 128, 3), 255, np.uint8)
    head, mask = disc(64, 60, 14), disc(64, 50, 36)
    result = blended(photograph, edited, mask, 2, EVERYWHERE, kept=head, absent=~head, gone=ears)
    nothing = blended(photograph, edited, mask, 2, EVERYWHERE, kept=head, absent=~head, gone=NOWHERE)
    assert (nothing[~disc(64, 60, 20)] == photograph[~disc(64, 60, 20)]).all()
    stays = ~disc(64, 30, 12) & ~disc(64, 60, 20)
    assert (result[stays] == photograph[stays]).all()
    assert np.abs(result[ears].astype(int) - bricks()[ears]).mean() < 40 and (result[disc(64, 60, 9)] == 255).all()


def test_what_lies_around_a_subject_may_have_something_of_it():
    photograph, subject, haze = wall(), disc(64, 48, 16), disc(64, 48, 22)
    photograph[haze] = (250, 10, 10)
    near, far = (behind(photograph, subject, NOWHERE, rim)[0][subject] for rim in (2, 8))
    assert np.abs(far - wall()[subject]).max() < 14 < np.abs(near - wall()[subject]).max()


def test_the_same_surroundings_are_guessed_again():
    """Whatever else was drawn at random before, where that decides."""
    photograph = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    guesses = []
    for seed in range(3):
        cv2.setRNGSeed(seed + 1)
        guesses.append(behind(photograph, disc(64, 48, 20), NOWHERE)[0])
    assert all((one == guesses[0]).all() for one in guesses)


def test_nothing_is_guessed_where_nothing_is_seen():
    assert behind(wall(), EVERYWHERE, NOWHERE) is None
    guess, share = behind(wall(), NOWHERE, NOWHERE)  # and where all of it is, that is it
    assert (guess == wall()).all() and (share == 1).all()


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


def test_a_subject_that_leaves_no_rim_is_not_filled_with_black():
    subject = EVERYWHERE.copy()
    subject[[0, -1], :] = subject[:, [0, -1]] = False
    light = np.full((96, 128, 3), 200, np.uint8)
    assert behind(light, subject, NOWHERE) is None
    nearly = EVERYWHERE.copy()
    nearly[:5, :5] = False  # of which a few pixels are far enough from the subject
    assert behind(light, nearly, NOWHERE) is None
    dark = np.full((96, 128, 3), 60, np.uint8)
    result = blended(light, dark, subject, 2, EVERYWHERE, kept=disc(64, 48, 9), absent=~disc(64, 48, 9))
    assert (
        result[8:88, 8:120] == blended(light, dark, subject, 2, EVERYWHERE, kept=disc(64, 48, 9))[8:88, 8:120]
    ).all()


@dataclass(frozen=True)
class Frames:
    size: int = 96
    multiple: int = 8


@dataclass(frozen=True)
class Told:
    """A segmenter that sees the same in every picture."""

    sure: torch.Tensor
    sha256: str = "0" * 64
    strict: bool = False

    def knows(self, subject: str) -> bool:
        return True

    def where(self, pictures, subject: str) -> torch.Tensor:
        return self.sure.expand(len(pictures), 1, *self.sure.shape)


def places_of(photo: Photo, sure: np.ndarray) -> Place:
    """Where an edit took place whose result shows its subject so surely, (96, 96)."""
    frame = framed_as(Frames(), photo, Choice("stretch"))
    request = Request(make_task("cat", "dog"), DDIM(), auto_mask=True, grown=True)
    before = Place(np.ones((96, 96), bool), 2, False)
    natives = [([frame.pixels], [None])]
    told = Told(torch.from_numpy(sure).float())
    ((place,),) = grown([[before]], [frame], [request], None, [None], natives, [0], told)
    return place


def test_surroundings_go_on_where_a_result_shows_nothing_of_its_subject():
    picture = Image.fromarray(wall()[:, :96])
    sure = np.full((96, 96), 0.9)
    sure[:, 48:] = 0.0
    place = places_of(Photo.of(picture), sure)
    assert place.shown[:, :40].all() and not place.shown[:, 56:].any()
    assert (place.absent == ~place.shown).all()


def test_what_is_thinner_than_an_ear_is_not_shown():
    rows, columns = np.mgrid[:128, :128]
    head = (columns - 64) ** 2 + (rows - 80) ** 2 <= 32**2
    ears = np.zeros((128, 128), bool)
    for x, half in ((48, 8), (80, 12)):  # 16 and 24 pixels wide, 28 high, to a point
        ears |= (rows >= 30) & (rows < 58) & (np.abs(columns - x) <= half * (rows - 30) / 28)
    scraps = np.zeros((128, 128), bool)
    scraps[78:82, 6:34] = scraps[40:50, 62:65] = True
    scraps &= ~head & ~ears
    found = without_thin(head | ears | scraps)
    assert (found & ears).sum() > 0.98 * ears.sum() and (found & head).sum() > 0.98 * head.sum()
    assert not found[78:82, 6:30].any() and not found[scraps & (rows < 46)].any()
    assert (without_thin(scraps) == scraps).all()  # of which nothing would be left
    hollow = head | (ears & ~cv2.erode(ears.astype(np.uint8), disk(3)).astype(bool))  # outlines of ears that are gone
    assert (without_thin(hollow) & ears & ~head)[:50].sum() < 4
    thin = np.zeros((128, 128), bool)
    thin[20:110, 60:67] = thin[10:20, 20:30] = True
    assert (without_thin(thin) == thin).all()  # most of which would be gone
    assert not without_thin(np.zeros((128, 128), bool)).any()
    small = (columns[:96, :96] - 48) ** 2 + (rows[:96, :96] - 60) ** 2 <= 24**2
    whisker = np.zeros((96, 96), bool)
    whisker[60:63, 4:30] = True
    place = places_of(Photo.of(Image.fromarray(wall()[:, :96])), 0.9 * (small | whisker))
    assert place.absent[61, 8] and not place.shown[61, 8] and place.shown[60, 48]


def test_nothing_goes_on_where_nothing_is_recognised_or_surroundings_are_hidden():
    picture, sure = Image.fromarray(wall()[:, :96]), np.full((96, 96), 0.9)
    sure[:, 48:] = 0.0
    assert places_of(Photo.of(picture), np.full((96, 96), 0.02)).absent is None
    assert places_of(Photo.of(picture), sure).absent is not None
    picture.putalpha(255)
    assert places_of(Photo.of(picture), sure).absent is not None
    picture.putalpha(Image.new("L", (96, 96), 128))
    assert places_of(Photo.of(picture), sure).absent is None


def test_where_a_body_stays_the_photograph_does():
    """A result that shows nothing of it there changes nothing of it."""
    photograph, body = wall(), disc(64, 90, 30)
    photograph[body] = (90, 60, 30)
    inside, stays = EVERYWHERE.copy(), body.copy()
    inside[70:] = stays[:70] = False
    edited = np.full((96, 128, 3), 255, np.uint8)
    head = disc(64, 30, 12)
    result = blended(photograph, edited, inside, 2, inside, kept=head, absent=~head, body=stays)
    assert np.abs(result[66:70, 60:68].astype(int) - (90, 60, 30)).max() <= 3
    assert (result[disc(64, 30, 8)] == 255).all()


@dataclass(frozen=True)
class Drawn(Told):
    """A segmenter that sees what is painted red."""

    def where(self, pictures, subject: str) -> torch.Tensor:
        pixels = torch.from_numpy(np.stack([np.asarray(one) for one in pictures])).float()
        return ((pixels[..., 0] > 180) & (pixels[..., 1] < 120)).float()[:, None]


def cat_and_part() -> tuple[Photo, Frames, tuple[int, int, int, int]]:
    """A red head with ears, on a body, and the part that is edited: the head without the ears' tips."""
    pixels = np.full((240, 240, 3), 140, np.uint8)
    red = (230, 20, 20)
    pixels[80:150, 85:155] = red
    pixels[50:85, 90:104] = pixels[50:85, 136:150] = red
    pixels[150:240, 60:200] = red
    return Photo.of(Image.fromarray(pixels)), Frames(), (72, 68, 168, 164)


def place_beyond(shown: np.ndarray) -> Place:
    photo, frames, part = cat_and_part()
    frame = framed_as(frames, photo, Choice("aspect", part))
    inside = np.zeros((240, 240), bool)
    inside[68:164, 72:168] = True
    red = inside & (np.asarray(photo.image)[..., 0] > 180)
    place = Place(red, 1, False, shown=shown, absent=~shown, before=red)
    return beyond(frame, frames, Drawn(torch.zeros(())), "cat", place)


def test_ears_beyond_the_edited_part_go_with_those_in_it_and_the_body_stays():
    shown = np.zeros((240, 240), bool)
    shown[90:164, 85:155] = True
    place = place_beyond(shown)
    assert place.mask[56:84, 93:101].all() and place.mask[56:84, 139:147].all()
    assert place.body[170:230, 70:190].all() and not place.body[60:148, 80:160].any()
    assert place.before[58:84, 93:101].all() and place.before[84:146, 88:152].all()
    assert not place.before[60:76, 108:132].any()  # between the ears is the wall
    assert not place.mask[170:].any()


def test_an_ear_that_a_result_goes_on_with_stays():
    shown = np.zeros((240, 240), bool)
    shown[90:164, 85:155] = shown[68:90, 86:108] = True  # one ear reaches the part's end
    place = place_beyond(shown)
    assert not place.mask[50:66, 93:101].any() and place.body[56:66, 93:101].all()
    assert place.mask[56:84, 139:147].all()


def test_what_nobody_looked_at_stays():
    shown = np.zeros((240, 240), bool)
    shown[90:164, 85:155] = True
    place = place_beyond(shown)
    assert place.body[200:].all() and place.body[:30].all()  # the view ends 29 pixels beyond the part


def seen_beyond(pixels: np.ndarray, part: tuple[int, int, int, int], shown: np.ndarray, soft: int = 1) -> Place:
    """What is known beyond a part of a photograph whose result shows its subject there."""
    frame = framed_as(Frames(), Photo.of(Image.fromarray(pixels)), Choice("aspect", part))
    place = Place(shown, soft, False, shown=shown, absent=~shown, before=shown)
    return beyond(frame, Frames(), Drawn(torch.zeros(())), "cat", place)


def test_what_the_view_cuts_is_no_ear():
    """A tail that rises beside the head, of which only a piece is seen."""
    photo, _, part = cat_and_part()
    pixels = np.asarray(photo.image).copy()
    pixels[:120, 180:186] = (230, 20, 20)
    pixels[112:120, 150:186] = (230, 20, 20)
    shown = np.zeros((240, 240), bool)
    shown[90:110, 85:155] = True
    place = seen_beyond(pixels, part, shown)
    assert place.body[45:115, 181:185].all() and not place.mask[:110, 181:185].any()


def test_a_part_that_is_no_square_is_seen_all_around():
    pixels = np.full((100, 300, 3), 140, np.uint8)
    pixels[20:90, 40:270] = (230, 20, 20)
    shown = np.zeros((100, 300), bool)
    shown[30:80, 100:200] = True
    place = seen_beyond(pixels, (60, 10, 240, 90), shown)
    assert place.body[30:80, 45:58].all() and place.body[30:80, 243:265].all()


def test_an_edit_ends_with_a_mask_that_ends_with_the_part_and_fades_where_something_goes_on():
    seen, nothing = np.zeros((160, 240), bool), np.zeros((160, 240), bool)
    seen[20:140, 60:180] = True
    alone = Place(seen, 0, False)
    for place in (alone, replace(alone, body=nothing), replace(alone, body=nothing, shown=nothing)):
        inside, share = eased_in(place, seen, 24)
        assert (inside == seen).all() and (share[seen] == 1).all()
    further, body = seen.copy(), nothing.copy()
    further[140:150, 100:140] = body[140:150, 100:140] = True
    head = seen.copy()
    head[:120] = head[:, :100] = head[:, 140:] = False
    for place in (Place(further, 0, False), replace(alone, body=body), replace(alone, body=nothing, shown=head)):
        inside, share = eased_in(place, seen, 24)
        assert (inside == seen).all() and share[139, 120] < 0.1 < share[130, 120] < 0.9 and share[110, 120] == 1
        assert share[30, 120] == share[80, 61] == 1


def test_a_cheek_inside_of_the_part_is_no_body_beyond():
    pixels = np.full((240, 240, 3), 140, np.uint8)
    pixels[80:150, 85:165] = (230, 20, 20)
    shown = np.zeros((240, 240), bool)
    shown[90:140, 90:150] = True
    place = seen_beyond(pixels, (72, 68, 168, 164), shown, soft=5)
    assert not place.body[80:150, 168:175].any()


def test_ears_go_beside_a_crown_that_reaches_the_parts_end():
    """What fades there is the edit, not the wall that goes on where the ears were."""
    photo, frames, part = cat_and_part()
    frame = framed_as(frames, photo, Choice("aspect", part))
    inside, shown = np.zeros((240, 240), bool), np.zeros((240, 240), bool)
    inside[68:164, 72:168] = True
    shown[90:164, 85:155] = shown[68:90, 108:132] = True
    mask = inside & (np.asarray(photo.image)[..., 0] > 180) | shown
    place = Place(mask, 1, False, shown=shown, absent=~shown, before=mask & ~shown)
    place = beyond(frame, frames, Drawn(torch.zeros(())), "cat", place)
    edited = np.asarray(whole(Image.new("RGB", (96, 96), (30, 30, 30)), frame, place, None)[0]).astype(int)
    assert np.abs(edited[54:80, 93:101] - 140).max() < 12 and np.abs(edited[54:80, 139:147] - 140).max() < 12
    assert np.abs(edited[69, 110:130] - 140).max() < 25 and edited[120, 120].max() < 60


def test_a_photograph_that_is_edited_whole_has_nothing_beyond():
    photo, frames, _ = cat_and_part()
    frame = framed_as(frames, photo, Choice("stretch"))
    shown = np.ones((240, 240), bool)
    place = Place(shown, 1, False, shown=shown, absent=~shown)
    assert beyond(frame, frames, Drawn(torch.zeros(())), "cat", place) is place
    nobody = Place(shown, 1, False)
    assert beyond(frame, frames, Drawn(torch.zeros(())), "cat", nobody) is nobody


def test_a_narrower_body_leaves_the_photographs_own_beside_it():
    lost = np.zeros((220, 220), np.bool_)
    lost[20:60, 40:80] = True  # an ear
    lost[100:200, 10:60] = True  # a shoulder, down to the part's end and to its side
    lost[150:200, 100:104] = True  # a strand between the two bodies
    lost[200:, 10:60] = True  # beyond the part
    body = body_of(lost, (10, 0, 210, 200))
    assert not body[:120].any() and not body[200:].any() and not body[:, 90:].any()
    assert body[140:200, 10:60].all() and (body <= lost).all()
    assert not body[120, 59] and body[120, 35] and body[120, 10]  # towards the head it ends round
    assert not body_of(np.zeros_like(lost), (10, 0, 210, 200)).any()
