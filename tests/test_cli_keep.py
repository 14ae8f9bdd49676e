"""``zeroshift keep`` on the command line."""

import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from benchmarks.drifting import CAT, drifted, edited, photograph
from PIL import Image

from tests.shell import call, files, refused
from zeroshift.cli.keep import said
from zeroshift.cli.main import main
from zeroshift.image import read_recipe
from zeroshift.image.drift import Drift
from zeroshift.image.registration import Motion


@pytest.fixture
def came(tmp_path, monkeypatch) -> Path:
    """What an editor gave back, in the current folder."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(drifted(edited(photograph(), "mirror"), Motion((4, -3), 1.02))).save("edit.jpg", quality=90)
    return Path("edit.jpg")


def test_the_file_has_the_photographs_bytes_outside_of_the_mask_that_is_written(capsys, came):
    done = call(capsys, "keep", CAT, came, "-o", "kept.png", "--mask-output", "mask.png")
    assert (done.code, done.err) == (0, "")
    first, *lines = done.out.splitlines()
    assert first.startswith("kept.png  (")
    assert lines[0].startswith("  the edit had moved by +4.0, -3.0 px, zoomed to 1.02")
    mask, kept = np.asarray(Image.open("mask.png")), np.asarray(Image.open("kept.png"))
    np.testing.assert_array_equal(kept[mask == 0], photograph()[mask == 0])
    assert 0.1 < (mask == 255).mean() < 0.5
    assert read_recipe("kept.png")["command"] == "keep"


def test_json_has_the_drift(capsys, came):
    done = call(capsys, "keep", CAT, came, "--json")
    told = json.loads(done.out)
    assert told["path"] == "edit-kept.png" and Path("edit-kept.png").exists()
    assert told["drift"]["motion"]["shift"] == pytest.approx([4, -3], abs=0.1)
    assert told["drift"]["outside"]["changed"] > 0.5 and told["drift"]["outside"]["largest"] > 20


def test_json_is_rounded_and_nothing_is_less_than_nothing(capsys, came):
    done = call(capsys, "keep", CAT, came, "--json")
    motion = json.loads(done.out)["drift"]["motion"]
    assert all(number == round(number, 4) for number in (*motion["shift"], motion["zoom"], motion["turn"]))
    kept = SimpleNamespace(drift=Drift(None, None, Motion((-0.04, -0.01), 1.0, -0.004, 1.0)))
    assert [*said(kept)] == ["the edit had moved by +0.0, +0.0 px, zoomed to 1.0000 and turned by +0.00 degrees"]
    assert str(Drift(None, None, Motion((-0.00004, 0.0))).told["motion"]["shift"]) == "[0.0, 0.0]"


def test_without_a_common_motion_none_is_told(capsys, came):
    Image.new("RGB", (64, 64), "red").save("flat.png")
    done = call(capsys, "keep", CAT, "flat.png")
    assert "no common motion" in done.err and "moved by" not in done.out


def test_a_result_on_standard_output_is_a_png_and_its_report_is_not_in_it(capsysbinary, came):
    with pytest.raises(SystemExit) as ended:
        main(["keep", str(CAT), str(came), "-o", "-"])
    assert not ended.value.code
    out, err = capsysbinary.readouterr()
    assert (
        Image.open(io.BytesIO(out)).size == (451, 300)
        and out.startswith(b"\x89PNG")
        and out.endswith(b"IEND\xaeB`\x82")
    )
    assert b"the edit had moved by" in err


def test_nothing_changed_is_said(capsys, came):
    done = call(capsys, "keep", CAT, CAT, "-o", "kept.png")
    assert done.code == 0 and "nothing looks changed" in done.err


def test_that_a_jpeg_is_not_exact_is_said(capsys, came):
    assert "kept.jpg is a JPEG, which changes every pixel" in call(capsys, "keep", CAT, came, "-o", "kept.jpg").err
    assert "JPEG" not in call(capsys, "keep", CAT, came, "-o", "kept.webp").err


@pytest.mark.parametrize(
    "tokens, code, words",
    [
        (["missing.png"], 1, ["missing.png does not exist"]),
        (["edit.jpg", "-o", "edit.jpg"], 2, ["edit.jpg is the edited picture itself"]),
        (["edit.jpg", "-o", "kept.txt"], 2, ["kept.txt is no name of a picture"]),
        (["edit.jpg", "-o", "a.png", "--mask-output", "a.png"], 2, ["a.png would be written twice"]),
        (["edit.jpg", "--mask", "small.png"], 1, ["The mask is 20x20 px and the picture 451x300 px"]),
        (["edit.jpg", "--soft", "-1"], 2, ["--soft"]),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_written(capsys, came, tokens, code, words):
    Image.new("L", (20, 20), 255).save("small.png")
    refused(call(capsys, "keep", CAT, *tokens), code, *words)
    assert files(Path()) == ["edit.jpg", "small.png"]


def test_a_result_of_it_is_no_edit_to_redo(capsys, came):
    call(capsys, "keep", CAT, came, "-o", "kept.png")
    refused(call(capsys, "redo", "kept.png"), 1, "kept.png is no edited or generated picture but a keep")
