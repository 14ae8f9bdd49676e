"""Numbers are what they are: nothing is rounded, no text or truth value is taken for one, none is infinite."""

from pathlib import Path

import pytest
from PIL import Image

from tests.shell import call, edit, photograph, refused
from zeroshift.editor import Editor
from zeroshift.methods import METHODS
from zeroshift.options.errors import OptionError
from zeroshift.options.fields import bare, fields_of
from zeroshift.options.parts import parts_of
from zeroshift.presets import build_method

ODD = {
    int: (1.5, 2.0, True, "2", float("nan"), float("inf"), None),
    float: (True, "0.5", float("nan"), float("inf"), float("-inf")),
    bool: (1, 0, "true", "yes"),
}


def every_number() -> dict[str, tuple[dict[str, object], str, type]]:
    """Every option that is a number or a truth value: the options around it, its name, its type."""
    found: dict[str, tuple[dict[str, object], str, type]] = {}
    for name, info in fields_of(METHODS[0]).items():
        if bare(info.annotation) in ODD:
            found[name] = ({}, name, bare(info.annotation))
    for part in parts_of(METHODS[0]):
        for kind, options in part.kinds.items():
            for name, info in fields_of(options).items():
                if bare(info.annotation) in ODD:
                    found[f"{part.name}/{kind}/{name}"] = ({"part": part, "kind": kind}, name, bare(info.annotation))
    return found


NUMBERS = every_number()


@pytest.mark.parametrize("place", NUMBERS)
def test_no_option_takes_another_kind_of_value(place):
    around, name, kind = NUMBERS[place]
    optional = "None" in repr(fields_of(owner(around))[name].annotation)
    for value in (odd for odd in ODD[kind] if odd is not None or not optional):
        with pytest.raises(OptionError, match=f"^`{name}` of pix2pix-zero takes .*, not ") as refusal:
            build_method("pix2pix-zero", nested(around, name, value))
        assert refusal.value.path[-1] == name


def owner(around: dict) -> type:
    return around["part"].kinds[around["kind"]] if around else METHODS[0]


def nested(around: dict, name: str, value: object) -> dict[str, object]:
    if not around:
        return {name: value}
    inner = {"kind": around["kind"], name: value}
    return {around["part"].name: [inner] if around["part"].several else inner}


def test_whole_numbers_are_numbers():
    assert build_method("ddim", {"guidance_scale": 3}).guidance_scale == 3.0


def test_elements_of_several_numbers():
    rich = {"conditioning": {"kind": "rich", "rho": [0.5, "0.7"]}, "control": {"kind": "fused-guidance"}}
    with pytest.raises(OptionError, match="`rho` of ddim takes one or more numbers above 0 and below 1") as refusal:
        build_method("ddim", rich)
    assert refusal.value.pointer == "/conditioning/rho/1"


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return photograph(tmp_path / "cat.png")


NO_WHOLE = ("1.5", "2.0", "1e3", "0x10", "1_0", "true", "nan", "inf", " 3", "", "³")
FLAGS = {
    "--steps": ("of plug-and-play takes a whole number from 1 to 999", NO_WHOLE),
    "--seed": ("takes a whole number of at least 0 and below 9223372036854775808", NO_WHOLE),
    "--batch": ("takes a whole number from 1 to 64", NO_WHOLE[:3]),
    "--preview-every": ("takes a whole number of at least 1", NO_WHOLE[:3]),
    "--threads": ("takes a whole number of at least 1", NO_WHOLE[:3]),
}
"""what each takes, and texts that it does not; those of a method's options and of the verb's are read apart"""


@pytest.mark.parametrize(("flag", "value"), [(flag, value) for flag, (_, wrong) in FLAGS.items() for value in wrong])
def test_whole_numbers_on_the_command_line(capsys, here, flag, value):
    tokens = ("--source", "cat", "--target", "dog", flag, value)
    refused(call(capsys, "edit", here.name, *tokens), 2, f"{flag} {FLAGS[flag][0]}, not {value!r}.")


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (
            ("edit", "cat.png", "--target", "dog", "--method", "pix2pix-zero", "--lambda-xa", "x"),
            "--lambda-xa of pix2pix-zero takes a number",
        ),
        (("edit", "cat.png", "--target", "dog", "--strength", "inf"), "--strength takes numbers with commas between"),
        (("edit", "cat.png", "--target", "dog", "--max-megapixels", "nan"), "takes a number above 0, not 'nan'."),
        (("generate", "a cat", "--steps", "1.5"), "--steps takes a whole number from 1 to 999, not '1.5'."),
        (("generate", "a cat", "--guidance-scale", "0.5"), "--guidance-scale takes a number from 1 to 50, not '0.5'."),
        (("cost", "--size", "64.5"), "--size takes a whole number, not '64.5'."),
        (
            ("direction", "make", "--source", "a", "--target", "b", "-o", "d.safetensors", "--count", "1.5"),
            "--count takes a whole number from 1 to 10000, not '1.5'.",
        ),
    ],
)
def test_numbers_of_other_verbs(capsys, here, tokens, said):
    refused(call(capsys, *tokens), 2, said)


def test_signs_and_exponents_stay(capsys, checkpoint, here):
    assert edit(capsys, checkpoint, here.name, "--strength", "1e-1", "--seed", "+3", "-o", "a.png").code == 0


@pytest.mark.parametrize("seed", [1.5, 2.0, True, "3", -1, 2**63, float("nan")])
def test_seeds_in_python(tiny, seed):
    editor, picture, method = Editor(tiny, {}), Image.new("RGB", (32, 32)), build_method("ddim", {"steps": 2})
    with pytest.raises(OptionError, match="^`seed` of an edit takes a whole number of at least 0 and below 92"):
        editor.edit(picture, "cat", "dog", method=method, seed=seed)
    with pytest.raises(ValueError, match="^A seed is a whole number from 0 to 92.*, not "):
        editor.edit([picture], "cat", "dog", method=method, seeds=[seed])
    with pytest.raises(ValueError, match="^A seed is a whole number from 0 to 92.*, not "):
        editor.generate("a cat", seed=seed, steps=2)


@pytest.mark.parametrize("options", [{"steps": 1.5}, {"steps": True}, {"guidance_scale": float("nan")}])
def test_numbers_of_generate(tiny, options):
    with pytest.raises(ValueError, match=r"^The (number of steps|guidance scale) is a [^\n]*, not "):
        Editor(tiny, {}).generate("a cat", **options)
