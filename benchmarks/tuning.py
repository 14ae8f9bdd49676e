"""What presets of the shipped model were chosen among: settings of every method, without and with the mask ``auto``."""

from collections.abc import Iterator, Mapping

from zeroshift.bench.entries import Entry
from zeroshift.presets import overlay

Tried = Iterator[tuple[str, Mapping[str, object]]]

EMPTY: Mapping[str, object] = {"conditioning": {"negative": ""}}
"""an empty negative prompt where the method's own is the source prompt"""
MASKED = "+auto"
"""at the end of an entry's name: edits stay inside of the mask that is found"""


def tuning() -> list[Entry]:
    """Every setting as two entries; options lie over the methods' own defaults, whatever the presets are by now."""
    tried = {
        "ddim": _ddim(),
        "sdedit": _sdedit(),
        "prompt-to-prompt": _prompt_to_prompt(),
        "plug-and-play": _plug_and_play(),
        "pix2pix-zero": _pix2pix_zero(),
        "rediffuser": _rediffuser(),
        "style-diffusion": _style_diffusion(),
        "mirror-diffusion": _mirror_diffusion(),
    }
    return [
        Entry(f"{method}-{name}{end}", method, options, paper_defaults=True, mask="auto" if end else None)
        for method, settings in tried.items()
        for name, options in settings
        for end in ("", MASKED)
    ]


def _ddim() -> Tried:
    for scale in (3.0, 4.0, 5.0):
        yield f"g{scale:g}", {"guidance_scale": scale}


def _sdedit() -> Tried:
    for noise, scale in ((0.5, 7.5), (0.6, 7.5), (0.6, 4.0), (0.65, 5.0)):
        yield f"n{noise:g}-g{scale:g}", {"guidance_scale": scale, "inversion": {"noise_strength": noise}}


def _prompt_to_prompt() -> Tried:
    for cross, self_, scale in ((0.8, 0.4, 7.5), (0.8, 0.4, 5.0), (0.4, 0.4, 5.0), (0.4, 0.2, 4.0)):
        shares = {"cross_until": cross, "self_until": self_}
        yield f"c{cross:g}-s{self_:g}-g{scale:g}", {"guidance_scale": scale, "control": shares}


def _plug_and_play() -> Tried:
    for feature, attention, scale in ((0.8, 0.5, 5.0), (0.8, 0.5, 4.0), (0.5, 0.5, 4.0), (0.5, 0.25, 4.0)):
        thresholds = {"feature_until": feature, "attention_until": attention}
        options = {"guidance_scale": scale, "conditioning": {"negative": None}, "control": thresholds}
        yield f"f{feature:g}-a{attention:g}-g{scale:g}", options


def _pix2pix_zero() -> Tried:
    inversion = {"lambda_ac": 2.5, "lambda_kl": 2.5}
    for amount, scales in ((0.002, (5.0, 4.0, 3.0, 2.5)), (0.01, (4.0, 3.0))):
        for scale in scales:
            control = {"lambda_xa": amount, "guidance_until": 0.2}
            yield f"xa{amount:g}-g{scale:g}", {"guidance_scale": scale, "inversion": inversion, "control": control}
    control = {"lambda_xa": 0.002, "guidance_until": 0.2}
    for scale in (7.5, 5.0, 4.0, 3.0):
        options = {"guidance_scale": scale, "inversion": inversion, "control": control}
        yield f"xa0.002-g{scale:g}-empty", overlay(options, EMPTY)
    falling = {"guidance_scale": 5.0, "inversion": inversion, "control": control}
    yield "xa0.002-g5-falling", overlay(falling, {"conditioning": {"strength_schedule": "falling"}})
    plain = {"inversion": {"kind": "ddim"}, "conditioning": {"words": "swap"}, "control": {"kind": "none"}}
    for scale in (5.0, 4.0):
        options = {"guidance_scale": scale, **plain}
        yield f"swap-g{scale:g}", options
        yield f"swap-g{scale:g}-empty", overlay(options, EMPTY)


def _rediffuser() -> Tried:
    inversion = {"lambda_ac": 2.5, "lambda_kl": 2.5}
    for fusion, scale in (("source-heavy", 4.0), ("source-heavy", 3.0), ("pairwise", 4.0)):
        control = {"lambda_xa": 0.002, "guidance_until": 0.2, "fusion": fusion}
        yield f"{fusion}-g{scale:g}", {"guidance_scale": scale, "inversion": inversion, "control": control}


def _style_diffusion() -> Tried:
    for cross, self_, scale in ((0.2, 0.4, 7.5), (0.2, 0.4, 4.0), (0.2, 0.2, 7.5), (0.0, 0.2, 7.5)):
        shares = {"cross_until": cross, "self_until": self_}
        options = {"guidance_scale": scale, "inversion": {"inner_steps": 40}, "control": shares}
        yield f"c{cross:g}-s{self_:g}-g{scale:g}", options


def _mirror_diffusion() -> Tried:
    control = {"lambda_xa": 0.002, "guidance_until": 0.2}
    for rate, scale in ((0.03, 4.0), (0.03, 3.0), (0.01, 4.0)):
        inversion = {"lambda_kl": 2.5, "learning_rate": rate}
        yield f"lr{rate:g}-g{scale:g}", {"guidance_scale": scale, "inversion": inversion, "control": control}
