"""Parts of a method freely combined on the command line: what is chosen, what presets may say, what is listed."""

import io
import json
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from tests.shell import FEW, METHOD, call, edit, photograph, refused
from zeroshift.cli.main import run
from zeroshift.cli.methods import conditionings_with, in_any, sense
from zeroshift.image import read_recipe
from zeroshift.methods import METHODS, by_name
from zeroshift.options.parts import parts_of
from zeroshift.presets import build_method


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photograph(tmp_path / "cat.png")


@pytest.fixture
def tuned(checkpoint, tmp_path):
    """Return the tiny model in a folder with presets for pix2pix-zero, and a function that writes them."""
    folder = tmp_path / "model"
    folder.mkdir()
    for part in checkpoint.iterdir():
        (folder / part.name).symlink_to(part)

    def recommend(**options: object):
        (folder / "presets.json").write_text(json.dumps({"pix2pix-zero": {"options": options}}))
        return folder

    return recommend


def used(path: str | None = None):
    """Options of a result, by default of the newest."""
    return read_recipe(path or max(Path("out").iterdir(), key=lambda made: made.stat().st_mtime_ns))["options"]


def test_another_kind_replaces_the_whole_part(capsys, checkpoint):
    parts = ("--inversion", "noised", "--conditioning", "prompts", "--control", "none", "--negative", "a drawing")
    words = ("--source", "cat", "--target", "dog", "--model", checkpoint, "--steps", "2")
    extras = ("--extras", "sampling-noise", "--eta", "0.25")
    assert call(capsys, "edit", "cat.png", *words, *parts, *extras, "--threads", "1").code == 0
    options = used()
    assert options["inversion"] == {"kind": "noised", "noise_strength": 1.0}
    assert (options["conditioning"]["kind"], options["conditioning"]["negative"]) == ("prompts", "a drawing")
    assert options["control"] == {"kind": "none"}
    assert options["extras"] == [{"kind": "sampling-noise", "eta": 0.25, "noise_seed": 0}]
    (edited,) = Path("out").glob("cat-dog-*.png")
    assert "the same bytes" in call(capsys, "redo", edited, "--model", checkpoint).out


def test_the_methods_own_kind_keeps_its_own_defaults():
    own = by_name("sdedit")().inversion
    assert build_method("sdedit", {"inversion": {"kind": "noised"}}).inversion == own
    assert own.noise_strength != type(own)().noise_strength


def test_presets_lie_under_flags(capsys, tuned):
    folder = tuned(guidance_scale=2.5, inversion={"lambda_ac": 3, "lambda_kl": 4}, conditioning={"strength": 0.25})
    asked = ("cat.png", "--source", "cat", "--target", "dog", *FEW, "--model", folder)
    call(capsys, "edit", *asked, "--strength", "0.75", "--inversion", "regularised", "--lambda-kl", "5")
    options = used()
    assert (options["guidance_scale"], options["conditioning"]["strength"]) == (2.5, 0.75)
    assert (options["inversion"]["lambda_ac"], options["inversion"]["lambda_kl"]) == (3, 5)
    call(capsys, "edit", *asked, "--inversion", "ddim")
    assert "lambda_ac" not in used()["inversion"]
    call(capsys, "edit", *asked, "--paper-defaults")
    options = used()
    assert (options["guidance_scale"], options["inversion"]["lambda_ac"]) == (5.0, 20)


def test_a_preset_of_another_kind_is_refused(capsys, tuned):
    folder = tuned(inversion={"kind": "ddim"})
    done = edit(capsys, folder, "cat.png")
    refused(done, 1, "presets.json gives pix2pix-zero the inversion ddim instead of regularised", "take that away")


def test_extras_of_a_preset_are_replaced_and_keep_what_is_tuned(capsys, tuned):
    folder = tuned(extras=[{"kind": "sampling-noise", "eta": 0.125}])
    edit(capsys, folder, "cat.png")
    assert used()["extras"] == [{"kind": "sampling-noise", "eta": 0.125, "noise_seed": 0}]
    edit(capsys, folder, "cat.png", "--extras", "sampling-noise", "--noise-seed", "4")
    assert used()["extras"] == [{"kind": "sampling-noise", "eta": 0.125, "noise_seed": 4}]
    edit(capsys, folder, "cat.png", "--extras", "")
    assert used()["extras"] == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"inversion": {"kind": "x"}}, '`inversion` has no kind "x"; choose one of: ddim, regularised, direct'),
        ({"inversion": 3}, "`inversion` of ddim takes "),
        ({"extras": [{"kind": "sampling-noise", "eta": 9}]}, "`eta` of ddim takes a number from 0 to 1, not 9."),
        ({"extras": [{"kind": "sampling-noise", "zeta": 9}]}, "ddim has no option `zeta`"),
        ({"extras": 3}, "`extras` of ddim takes "),
    ],
)
def test_nested_options_that_are_wrong_are_one_sentence(options, words):
    with pytest.raises(ValueError, match="^[^\n]*$") as refusal:
        build_method("ddim", options)
    assert words in str(refusal.value)


def test_inverting_takes_the_options_of_the_inversion(capsys, checkpoint):
    asked = ("cat.png", "--source", "cat", "--model", checkpoint, "--threads", "1", "--steps", "3")
    own = ("--inversion", "null-text", "--inner-steps", "1", "--guidance-scale", "3")
    assert call(capsys, "invert", *asked, *METHOD, *own, "-o", "cat.safetensors").code == 0
    edited = (*asked, *METHOD, *own, "--target", "dog", "--sentences", "10", "--inversion-file", "cat.safetensors")
    assert call(capsys, "edit", *edited, "-o", "saved.png").code == 0
    assert used("saved.png")["inversion"]["kind"] == "null-text"
    assert "the same bytes" in call(capsys, "redo", "saved.png", "--model", checkpoint).out
    other = call(capsys, "edit", *edited, "--strength", "0.5", "--lambda-xa", "0", "-o", "further.png")
    assert other.code == 0  # what comes after the inversion is free
    assert call(capsys, "edit", *edited, "--seed", "1", "-o", "seeded.png").code == 0  # nothing was drawn at random
    refused(call(capsys, "edit", *edited, "--prompt", "a cat"), 1, "another prompt than this edit")


@pytest.fixture(scope="module")
def listed() -> dict:
    """What ``zeroshift methods --json`` prints."""
    with redirect_stdout(io.StringIO()) as out:
        assert run(["methods", "--json"], debug=True) == 0
    return json.loads(out.getvalue())


@pytest.mark.parametrize("method", METHODS)
def test_every_inversion_of_a_method_is_a_command_line(capsys, listed, method):
    """Each is refused in a sentence or gets as far as looking for the photograph."""
    inversions = next(part for part in parts_of(method) if part.name == "inversion")
    matrix = listed["matrix"][method.name]
    for kind in inversions.kinds:
        tokens = ("--method", method.name, "--inversion", kind, "--source", "cat", "--target", "dog")
        done = call(capsys, "edit", "nowhere.png", *tokens)
        if matrix[kind] is True:
            refused(done, 1, "nowhere.png does not exist")
        else:
            refused(done, 2, matrix[kind])


def test_methods_lists_methods_parts_and_what_goes_together(listed):
    assert list(listed) == ["methods", "inversions", "conditionings", "controls", "extras", "matrix", "control_matrix"]
    names = {key: [row["name"] for row in listed[key]] for key in list(listed)[:5]}
    assert names["methods"] == list(listed["matrix"]) == [method.name for method in METHODS]
    assert all(list(row) == names["inversions"] for row in listed["matrix"].values())
    with_rich = {kind: row["rich"] for kind, row in listed["control_matrix"].items()}
    assert list(with_rich) == names["controls"] and [k for k in with_rich if with_rich[k] is True] == ["fused-guidance"]
    own = next(row for row in listed["methods"] if row["name"] == "pix2pix-zero")
    assert {"--steps", "--inversion", "--lambda-xa"} <= set(own["options"])
    (direct,) = (row for row in listed["inversions"] if row["name"] == "direct")
    assert "--inversion-steps" in direct["options"] and direct["summary"].endswith(".")


def test_what_goes_together_does_so_in_some_method():
    """What the default method refuses for its own parts' sake is no reason."""
    (conditionings,) = (part for part in parts_of(METHODS[0]) if part.name == "conditioning")
    (controls,) = (part for part in parts_of(METHODS[0]) if part.name == "control")
    for control in controls.kinds:
        for kind, said in conditionings_with(control, conditionings).items():
            parts = {"control": {"kind": control}, "conditioning": {"kind": kind}}
            assert (said is True) == any(sense(method.name, parts) is True for method in METHODS)
    own = {"conditioning": {"values_until": 0.5}}
    assert sense("pix2pix-zero", own) is not True and in_any(own) is True
    assert in_any({"control": {"kind": "none"}, "conditioning": {"kind": "rich"}}) not in (True, "")


def test_methods_are_readable(capsys):
    text = call(capsys, "methods").out
    assert max(map(len, text.splitlines())) <= 100
    inversions = [kind for part in parts_of(by_name("ddim")) for kind in part.kinds if part.name == "inversion"]
    drawn = [line.split() for line in text.splitlines() if line.startswith("  ddim ")][-1]
    assert len(drawn) == 1 + len(inversions) and set(drawn[1:]) <= {"+", "-"}
