"""An edit of which only the target is typed: a captioner says what is seen, a language model writes the sentences."""

import json
from pathlib import Path

from PIL import Image

from tests.shell import call, photograph
from tests.speaking import language_model, taught_blip
from zeroshift.conditioning.direction import load_direction


def test_a_photograph_and_a_target_are_all_that_is_typed(capsys, checkpoint, tmp_path, monkeypatch):
    """With tiny models of the real classes, and redo looks at neither."""
    monkeypatch.chdir(tmp_path)
    picture = photograph(Path("photo.png"), 32, 32)
    taught_blip(Path("blip"), Image.open(picture), "a cat on the sofa")
    language_model(Path("lm"), causal=False)
    edit = ("edit", picture, "--target", "dog", "--captioner", "blip", "--sentences-from", "lm", "--model", checkpoint)
    done = call(
        capsys, *edit, "--method", "pix2pix-zero", "--steps", "2", "--sentences", "3", "--threads", "1", "--json"
    )
    assert done.code == 0, done.err
    (told,) = (json.loads(line) for line in done.out.splitlines())
    recipe = told["recipe"]
    assert (recipe["caption"], recipe["target_prompt"]) == ("a cat on the sofa", "a dog on the sofa")
    made = load_direction(Path(told["path"]).parent / recipe["direction_path"])
    assert made.provenance["origin"] == "language model lm" and made.sha256 == recipe["direction_sha256"]
    assert (made.provenance["source"], made.provenance["target"]) == ("cat", "dog")
    assert len([*Path(told["path"]).parent.glob("directions/*.txt")]) == 2  # all that it returned
    for folder in ("blip", "lm"):
        Path(folder).rename(f"{folder}-gone")
    again = call(capsys, "redo", told["path"], "--model", checkpoint, "-o", "again.png")
    assert "the same bytes" in again.out
