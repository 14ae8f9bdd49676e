"""What the page says, as HTML: states, what is seen, what became of an edit."""

import logging
from collections.abc import Mapping, Sequence
from errno import EDQUOT, ENOSPC, EROFS
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any, TypeGuard

from PIL import Image

from zeroshift.captioning import Seen
from zeroshift.options.errors import respelled
from zeroshift.ui.asking import intensity_of
from zeroshift.ui.controls import label_of
from zeroshift.ui.desk import MOST_KEPT, Desk, Made
from zeroshift.ui.pictures import CARD, inline
from zeroshift.ui.work import Stopped, Working

log = logging.getLogger(__name__)
STAGES = {
    "wait": "Waiting until other edits are done",
    "look": "Looking at the photograph",
    "invert": "Inverting the photograph",
    "edit": "Editing",
    "again": "Trying another way, for the word is not clear in the result, or does not look good",
}
"""what is said of each of ``work.STAGES``"""
EMPTY = """<div class="zs-stage zs-empty"><ol>
<li><b>Photograph</b><span>Drop one, or take an example.</span></li>
<li><b>Word</b><span>Say what it shall show.</span></li>
<li><b>Edit</b><span>The picture keeps its structure.</span></li>
</ol></div>"""


RUNNING = "An edit is being made on this page; choose the intensity again when it is done, or stop it."
LOOK_ANEW = "Another photograph lies here by now; open this tab again to look into it."
OWN = {"strength": "Intensity", "region": "Box", "mask": "Brush"}
"""what the page calls options for which it has no control of their type"""


def sentence(text: object) -> str:
    """A sentence of the core, its options named as the page names them."""
    return respelled(escape(str(text)), lambda name: f"<b>{named(name)}</b>")


def plain(text: object) -> str:
    """The same without HTML, for cards."""
    return respelled(str(text), named)


def named(option: str) -> str:
    """What an option is called on the page."""
    return OWN.get(option) or label_of(option)


def failed(text: object) -> str:
    """The state in which something went wrong."""
    return f'<div class="zs-stage zs-failed" role="alert"><h3>That did not work</h3><p>{sentence(text)}</p></div>'


def alarm(text: object) -> str:
    """The same beside an edit that stays, said at once by what reads pages out."""
    return f'<p class="zs-doubt zs-wrong" role="alert">{sentence(text)}</p>'


def wrong(error: Exception) -> str:
    """What went wrong in one sentence, without where the server keeps things; the log has what nobody expected."""
    if isinstance(error, ValueError):
        return str(error)
    log.exception("an edit failed")
    if is_full(error):
        return f"What was made cannot be kept here ({error.strerror}): see whether the disk is full."
    return f"Something unexpected went wrong ({type(error).__name__}); the log of this page's server says what."


def is_full(error: Exception) -> TypeGuard[OSError]:
    """Whether a disk takes nothing: it is full, somebody's share of it is, or it can only be read."""
    return isinstance(error, OSError) and error.errno in (ENOSPC, EDQUOT, EROFS)


def stopped(seconds: float) -> str:
    """The state after somebody stopped a run."""
    return f'<div class="zs-stage zs-stopped"><h3>Stopped</h3><p>After {seconds:.1f} s; nothing was kept.</p></div>'


def halted(seconds: float) -> str:
    """The same beside an edit that was there before."""
    return note(f"Stopped after {seconds:.1f} s; nothing was kept of it, and this is the edit from before.")


def working(at: Working, picture: str) -> str:
    """The state of a run, with the picture as it is now."""
    shown = f'<img src="{picture}" alt="The picture as it is now">' if picture else ""
    return f'<div class="zs-stage zs-working">{shown}{progress(at)}</div>'


def progress(at: Working) -> str:
    """How far a run is."""
    count = {"wait": f"{at.done} before it", "look": ""}.get(at.stage, f"step {at.done} of {at.total}")
    value = "" if at.stage in ("wait", "look") else f'max="{at.total}" value="{at.done}"'
    return (
        f'<div class="zs-progress" role="status"><span>{STAGES[at.stage]}</span><span>{count}</span>'
        f"<span>{at.seconds:.1f} s</span><progress {value}></progress></div>"
    )


def seen(what: Seen | None, part: str | None) -> str:
    """What the captioner says of a photograph, with its doubts, and which part of it is looked at."""
    if what is None:
        return '<p class="zs-seen">This model cannot say what a picture shows; name it under <b>Source</b>.</p>'
    numbers = ", ".join(f"{escape(name)} {100 * p:.0f} %" for name, p in what.probabilities.items())
    told = f"I see <b>{escape(what.caption)}</b>" if what.sure else f"Not sure; perhaps <b>{escape(what.caption)}</b>"
    also = "" if what.sure else " Say under <b>Source</b> what it shows, or draw a box around it."
    where = f" <span>{sentence(part)}</span>" if part else ""
    kind = "zs-seen" if what.sure else "zs-seen zs-doubt"
    return f'<p class="{kind}">{told}{f" <i>{numbers}</i>" if numbers else ""}.{also}{where}</p>'


def note(text: str) -> str:
    """Something that is said beside."""
    return f'<p class="zs-note">{text}</p>'


def doubts(sentences: Sequence[str]) -> str:
    """What is doubtful about the words."""
    return "".join(f'<p class="zs-doubt">{sentence(one)}</p>' for one in sentences)


def done(made: Made, *doubtful: str) -> str:
    """What became of an edit, and what else is doubtful."""
    took = f"{made.seconds:.1f} s" if made.seconds is not None else "from its file"
    facts = [made.spec.target, made.spec.method, f"seed {made.spec.seed}", *intensity(made), took]
    part = f'<p class="zs-part">Edited {sentence(made.part)}.</p>' if made.part else ""
    warned = doubts([*([made.advice] if made.advice else []), *doubtful])
    return f'<div class="zs-done"><p>{" · ".join(map(escape, facts))}</p>{part}{doubts(made.doubts)}{warned}</div>'


def let_go(desk: Desk) -> list[str]:
    """How many edits went since it was last said, for want of room."""
    gone, desk.gone = desk.gone, 0
    if not gone:
        return []
    which = "The oldest edit of this page is" if gone == 1 else f"The {gone} oldest edits of this page are"
    return [
        f"{which} not here any more, for there is room for {MOST_KEPT / 1e9:g} GB of files. Download what you want to "
        "keep: a result's file dropped here brings its edit back."
    ]


def kept(made: Made, told: str, *doubtful: str) -> str:
    """An edit that is there still, why no other is: ``told``, HTML, and what else is doubtful."""
    return f'<div class="zs-kept">{told}{done(made, *doubtful)}</div>'


def intensity(made: Made) -> list[str]:
    """The intensity of an edit in words, unless it is 1."""
    return [] if (there := intensity_of(made.spec)) == 1 else [f"intensity {there:g}"]


def away(name: str) -> str:
    """What is said where a result came without its photograph."""
    return f"{name} itself is not here; drop it, and the edit can go on."


def beside(at: Working | Stopped | Made, name: str) -> str:
    """The state of an edit of the photograph of that name where another lies on the page by now."""
    if isinstance(at, Working):
        return note(f"The edit of {escape(name)} goes on.") + progress(at)
    return note(f"The edit of {escape(name)} is done; it is in the history.") if isinstance(at, Made) else ""


def drift(told: Mapping[str, Any] | None) -> str:
    """How an edit differs from its photograph, inside and outside of where it was made."""
    if told is None:
        return '<p class="zs-note">Edit something, and here stands how far the rest of the picture drifted.</p>'
    parts = [(name, told[name]) for name in ("inside", "outside") if told[name] is not None]
    rows = [
        ("Share of the picture", [f"{100 * one['share']:.1f} %" for _, one in parts]),
        ("Pixels that changed", [f"{100 * one['changed']:.1f} %" for _, one in parts]),
        ("Largest change", [f"{one['largest']} of 255" for _, one in parts]),
        ("PSNR", ["equal" if one["psnr"] is None else f"{one['psnr']:.1f} dB" for _, one in parts]),
        ("SSIM", [f"{one['ssim']:.3f}" for _, one in parts]),
    ]
    head = "".join(f"<th>{name.capitalize()} the edit</th>" for name, _ in parts)
    body = "".join(f"<tr><th>{name}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>" for name, cells in rows)
    return (
        f'<table class="zs-drift"><tr><th></th>{head}</tr>{body}</table><p class="zs-note">{moved(told["motion"])}</p>'
    )


def moved(motion: Mapping[str, Any]) -> str:
    """How far a picture moved as a whole."""
    right, down = motion["shift"]
    if not motion["support"] or (abs(right) + abs(down) < 0.05 and abs(motion["zoom"] - 1) < 5e-4):
        return "The picture did not move."
    return (
        f"The picture moved {right:+.2f} px to the right and {down:+.2f} px down, "
        f"zoomed by {motion['zoom']:.4f} and turned by {motion['turn']:+.2f}°."
    )


def cards(made: Sequence[Made], shown: Made | None) -> list[dict[str, object]]:
    """Edits as cards, the newest first."""
    return [card(one, shown) for one in reversed(made)]


def card(made: Made, shown: Made | None = None, lines: Sequence[str] = ()) -> dict[str, object]:
    """An edit as a card."""
    seconds = f"{made.seconds:.1f} s" if made.seconds is not None else "from a file"
    return {
        "key": made.key,
        "src": thumbnail(made.after),
        "title": made.spec.target,
        "lines": [*(lines or (made.spec.method, *intensity(made), seconds))],
        "chosen": shown is not None and shown.key == made.key,
    }


@lru_cache(maxsize=512)
def thumbnail(file: Path) -> str:
    """The picture of a card."""
    return inline(Image.open(file), CARD)
