"""``python -m remake``: pages and pictures of a tiny model; the shipped model's pages and pinned edit."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarks import comparison_page
from PIL import Image
from remake import approximations, benchmarking, facts, inversions, mirror, pictures, pinned, sentences, whole
from remake.__main__ import all_jobs, carry_out, chosen
from remake.asked import asked
from remake.pages import filled, marks, pages, put
from remake.place import Job, Place
from remake.sitting import Sitting

from tests.shell import call
from zeroshift.backbones.checkpoint import SHIPPED
from zeroshift.image import load_image, read_recipe
from zeroshift.loading import load
from zeroshift.presets import build_method

ROOT = Path(__file__).parents[2]
WAY = "--source cat --target dog --fit pad"
EDIT = f"{WAY} --steps 2 --sentences 10"
KNOWN = {"edits", "quality", "mirror", "sentences", "speed", "table"}


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def test_words_are_what_the_command_line_makes_of_them(place, capsys, tmp_path):
    words = f"{EDIT} --method pix2pix-zero --lambda-xa 0.02 --inversion direct --extras sampling-noise --eta 0.3"
    cat, out = place.root / "examples/cat.png", tmp_path / "edited.png"
    done = call(capsys, "edit", cat, *words.split(), "--model", place.model, "--threads", "1", "-o", out)
    assert done.code == 0, done.err
    (result,) = Sitting(place.editor(), [load_image(cat)]).edit(asked(words))
    assert np.array_equal(pixels(result.image), pixels(Image.open(out)))
    made, written = json.loads(json.dumps(result.recipe)), read_recipe(out)
    assert made.pop("source_path") == "cat.png" and written["source_path"] == "examples/cat.png"
    assert {key: written.get(key) for key in made} == made


def test_words_without_a_source_are_refused():
    with pytest.raises(ValueError, match="Say with --source"):
        asked("--target dog")


def test_a_sitting_inverts_once_and_changes_nothing(place):
    sitting = Sitting(place.editor(), [load_image(place.root / "examples/cat.png")])
    for words in (EDIT, f"{EDIT} --guidance-scale 3", f"{EDIT} --inversion ddim"):
        (shared,) = sitting.edit(asked(words))
        (alone,) = Sitting(place.editor(), sitting.sources).edit(asked(words))
        assert np.array_equal(pixels(shared.native), pixels(alone.native))
    assert len(sitting.inversions) == 2


def test_a_picture_is_its_panels_side_by_side(place):
    size, gap = 32, 8
    panels = ("photograph", "reconstruction", "edit", "edit --lambda-xa 0")
    picture = pictures.Picture("one", "docs/methods/one.png", "examples/cat.png", EDIT, panels, size)
    assert pictures.make(picture, place) == picture.file
    path = place.root / picture.file
    drawn = Image.open(path)
    assert drawn.size == (4 * size + 3 * gap, size)
    editor = load(place.model, device="cpu")
    for k, words in ((2, EDIT), (3, f"{EDIT} --lambda-xa 0")):
        wish, left = asked(words), k * (size + gap)
        result = editor.edit(
            place.root / "examples/cat.png", "cat", "dog", method=wish.resolve(editor).method, fit="pad"
        )
        assert np.array_equal(pixels(drawn.crop((left, 0, left + size, size))), pixels(result.native))
    recipe = read_recipe(path)
    assert recipe["source_path"] == "../../examples/cat.png"
    assert [panel["panel"] for panel in recipe["panels"]] == list(panels)
    assert str(place.root) not in json.dumps(recipe["panels"]).replace(str(place.model), "")


def test_a_picture_without_height_has_the_photographs_size(place):
    picture = pictures.Picture("one", "docs/one.png", "examples/cat.png", EDIT, ("photograph", "edit"))
    pictures.make(picture, place)
    drawn, cat = Image.open(place.root / "docs/one.png"), Image.open(place.root / "examples/cat.png")
    assert drawn.size == (2 * cat.width + 8, cat.height)
    assert np.array_equal(pixels(drawn.crop((0, 0, *cat.size))), pixels(cat))


def test_a_panel_of_no_known_kind_is_refused(place):
    picture = pictures.Picture("one", "docs/one.png", "examples/cat.png", EDIT, ("photograph", "sketch"))
    with pytest.raises(ValueError, match="sketch"):
        pictures.make(picture, place)
    assert not (place.root / "docs/one.png").exists()


ELSEWHERE = {"docs/keep.png", "docs/page.png", "docs/page-phone.png", "docs/student-page.png", sentences.FIGURE}
"""made by benchmarks/keep.py and benchmarks/page.py, by hand in a browser, and by a job of its own"""


def test_every_picture_on_the_pages_is_made_again():
    made = [picture.file for picture in pictures.read(pictures.MANIFEST)]
    found = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.png")}
    there = {*made, mirror.FIGURE, *ELSEWHERE}
    assert len(made) == len(set(made)) and there <= found <= {
        *there,
        whole.FILE,
        whole.FIRST_FILE,
    }  # which need photographs


def test_every_panel_of_the_manifest_is_a_command_that_exists():
    drawn = pictures.read(pictures.MANIFEST)
    for words in {f"{picture.words} {panel.partition(' ')[2]}" for picture in drawn for panel in picture.panels}:
        wish = asked(words)
        build_method(wish.method, wish.options)


def test_marks_are_filled_in_lines_and_around_blocks():
    text = "a <!-- x -->1<!-- /x --> b\n<!-- y 2 -->\n\nold\n\n<!-- /y 2 -->\n<!-- z -->3<!-- /z -->\n"
    expected = "a <!-- x -->10<!-- /x --> b\n<!-- y 2 -->\n\n| t |\n|---|\n\n<!-- /y 2 -->\n<!-- z -->3<!-- /z -->\n"
    values = {"x": "10", "y 2": "| t |\n|---|", "other": "4"}
    assert filled(text, values) == filled(filled(text, values), values) == expected
    assert marks(text) == ["x", "y 2", "z"]


def test_a_mark_that_no_page_has_is_a_mistake(place):
    with pytest.raises(ValueError, match="nowhere"):
        put(place.root, {"nowhere": "1"})


def test_the_memory_of_a_command_is_its_own():
    held = np.ones(50_000_000)  # 400 MB that a child would be counted with
    hold = "x = bytearray(200_000_000); print(len(x))"
    peaks = []
    for words in (hold, "print()"):
        command = [sys.executable, "-m", "remake.watched", sys.executable, "-c", words]
        found = json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)
        peaks.append(found["peak_bytes"])
    assert held.all()
    assert 200e6 < peaks[0] < 300e6 and peaks[1] < 100e6


def test_a_command_that_fails_ends_the_watching_with_its_code():
    command = [sys.executable, "-m", "remake.watched", sys.executable, "-c", "raise SystemExit(3)"]
    assert subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL).returncode == 3


def test_the_benchmarks_are_run_as_the_page_says():
    text = (ROOT / "docs/cost.md").read_text(encoding="utf-8")
    assert "one or two runs after a warm-up" in text and "at most 10 iterations per step" in text
    assert benchmarking.OPTIONS == ("--repeats", "2", "--inner-steps", "10")


def test_a_failure_names_itself_and_stops_nothing(capsys, tmp_path):
    def fails(_: Place) -> str:
        raise ValueError("no such thing.")

    jobs = [Job("a/1", fails), Job("b", lambda _: "made"), Job("c", lambda _: "made", with_data=True)]
    assert carry_out(jobs, Place(tmp_path)) == 1
    said = capsys.readouterr()
    assert "a/1  failed: no such thing." in said.err
    first, second = said.out.splitlines()
    assert first.startswith("b  made  (") and second.startswith("c  left out")
    assert carry_out(jobs[1:], Place(tmp_path)) == 0


def test_groups_and_single_things_can_be_chosen():
    found = all_jobs(Place(ROOT))
    assert [job.name for job in chosen(found, ["pictures/ddim", "pinned"])] == ["pictures/ddim", "pinned"]
    assert {job.name.partition("/")[0] for job in chosen(found, ["presets"])} == {"presets"}
    with pytest.raises(SystemExit):
        chosen(found, ["nothing"])


def test_every_mark_on_the_pages_is_made_by_something():
    known = KNOWN | set(facts.values(ROOT, SHIPPED))
    named = [name for page in pages(ROOT) for name in marks(page.read_text(encoding="utf-8"))]
    measured = (inversions.MARK, approximations.MARK, comparison_page.MARK)
    assert not [name for name in named if name not in known and not name.startswith(measured)]


def test_facts_on_the_pages_are_those_of_the_shipped_model():
    values = facts.values(ROOT, SHIPPED)
    for page in pages(ROOT):
        text = page.read_text(encoding="utf-8")
        assert filled(text, values) == text, f"{page} is about another model: run make remake"


def test_the_shipped_model_edits_as_it_did():
    """The pinned thumbnail was made by this model; other machines round otherwise, by far less than a grey level."""
    place, (told, expected) = Place(ROOT), pinned.read(ROOT)
    assert told["model_sha256"] == place.backbone.identity.sha256, "the pinned edit is another model's: run make remake"
    found = pinned.thumbnail(place, told["words"]).astype(int)
    assert np.abs(found - expected.astype(int)).max() <= 3


def test_pairs_stand_in_rows_each_showing_a_photographs_middle(tmp_path):
    tall = np.zeros((60, 20, 3), dtype=np.uint8)
    tall[20:40] = 200  # the middle square
    Image.fromarray(tall).save(tmp_path / "tall.png")
    one = whole.pair(load_image(tmp_path / "tall.png"), Image.new("RGB", (20, 60), "red"))
    assert one.size[1] == whole.SIDE
    assert pixels(one)[5:-5, 5 : whole.SIDE - 5].min() > 190 and pixels(one)[9, -9].tolist() == [255, 0, 0]
    table = whole.laid_out([one] * 4)
    assert table.size == (3 * one.width + 2 * whole.GAP, 2 * one.height + whole.GAP)
    assert np.array_equal(pixels(table.crop((0, one.height + whole.GAP, one.width, table.height))), pixels(one))
    assert pixels(table)[-1, -1].tolist() == [255, 255, 255]
