"""What the page is made of, without a browser: controls, what is asked for, lines to copy, results that return."""

import ast
import io
import shlex
from dataclasses import replace
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from remake.asked import asked

import zeroshift
from zeroshift import EditSpec
from zeroshift.asked.again import asked_again
from zeroshift.captioning import PlainEnglish, Seen
from zeroshift.cli.written import command_line
from zeroshift.distillation.editing import StudentSpec
from zeroshift.editor import Editor
from zeroshift.image import ImageError, load_image
from zeroshift.inversions import InversionMemory
from zeroshift.methods import METHODS, USUAL
from zeroshift.miniature import reading
from zeroshift.options.fields import fields_of
from zeroshift.options.parts import parts_of
from zeroshift.presets import build_method, difference, options_of, overlay
from zeroshift.recipe import parse_recipe
from zeroshift.running import walking
from zeroshift.running.turns import Turns
from zeroshift.ui import photographs, telling
from zeroshift.ui.asking import Fields, asked_for, laid_out, numbers, where_of
from zeroshift.ui.controls import control, put, read, sections_of
from zeroshift.ui.copies import python_of
from zeroshift.ui.desk import Desk, Host, Where, file_name
from zeroshift.ui.students import offered as offered_student
from zeroshift.ui.visits import Stops
from zeroshift.ui.work import STAGES, Stopped, Working, brought, edited, in_turn
from zeroshift.words import KnownWords, offered

EXAMPLES = Path(__file__).parent.parent / "examples"
SPECS = [
    EditSpec(target="dog", source="cat"),
    EditSpec(target="-a dog's", source="cat", prompt="a cat, not 'mine'", seed=7, strict=False),
    EditSpec(target="dog", source="cat", method="sdedit", fast=True, options={"inversion": {"noise_strength": 0.5}}),
    EditSpec(
        target="dog",
        source="cat",
        method="pix2pix-zero",
        options={"conditioning": {"strength": 0.6, "normalise": True}},
    ),
    EditSpec(
        target="dog",
        source="cat",
        method="prompt-to-prompt",
        region="10,20,60,70",
        fit="pad",
        options={
            "steps": 5,
            "inversion": {"kind": "null-text", "inner_steps": 3},
            "control": {"blend_words": "cat,dog"},
        },
    ),
    EditSpec(target="dog", source="cat", method="ddim", options={"extras": [{"kind": "sampling-noise", "eta": 0.25}]}),
]


@pytest.mark.parametrize("spec", SPECS, ids=range(len(SPECS)))
def test_a_copied_command_line_is_read_as_the_same_edit(spec):
    words = shlex.split(command_line(spec, "my cat.png"))
    assert words[:3] == ["zeroshift", "edit", "my cat.png"]
    assert asked(shlex.join(words[3:]), USUAL) == spec


def test_what_no_flag_can_say_is_refused():
    spec = EditSpec(target="dog", method="plug-and-play", options={"inversion": {"inversion_steps": None}})
    with pytest.raises(zeroshift.OptionError, match="cannot say that `inversion_steps` is none"):
        command_line(spec, "cat.png")


@pytest.mark.parametrize("spec", SPECS, ids=range(len(SPECS)))
def test_copied_lines_of_python_ask_for_the_same(spec):
    lines = python_of(spec, "cat.png")
    found = []
    editor = SimpleNamespace(edit=lambda image, spec: found.append((image, spec)) or SimpleNamespace(image=0, recipe=0))
    stand_in = SimpleNamespace(EditSpec=EditSpec, load=lambda: editor, save_image=lambda *_, recipe: None)
    exec(lines.replace("import zeroshift\n", ""), {"zeroshift": stand_in})
    assert found == [("cat.png", spec)]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_every_option_of_a_method_has_a_control_of_its_type(method):
    usual = options_of(build_method(method.name))
    controls = [one for section in sections_of(method.name, usual, {}) for one in section.controls]
    parts = {part.name: part for part in parts_of(method)}
    own = {(name,) for name in fields_of(method)} - {(name,) for name in parts if not parts[name].several}
    kinds = {(name, "kind") for name, part in parts.items() if part.open and not part.several}
    inner = {
        (name, field) for name in parts for field in options_of(build_method(method.name)).get(name) or () if field
    }
    inner = {path for path in inner if path[1] != "kind"} - {("conditioning", "strength")}
    assert {one.path for one in controls} == own | kinds | inner
    for one in controls:
        assert not one.changed
        if one.widget == "slider":
            assert one.low <= one.value <= one.high
            assert one.value == pytest.approx(round(one.value / one.step) * one.step)  # the usual value can be set
        if one.widget == "choice":
            assert one.value in one.choices


def test_a_range_is_a_slider_and_a_literal_a_choice():
    usual = overlay(options_of(build_method("pix2pix-zero")), {"guidance_scale": 4.0})
    section = sections_of("pix2pix-zero", usual, {"steps": 20})[0]
    steps, scale = section.controls[:2]
    assert (steps.widget, steps.low, steps.high, steps.step) == ("slider", 1, 999, 1)
    assert (steps.value, steps.changed, steps.marks) == (20, True, "default 50")
    assert (scale.value, scale.changed, scale.marks) == (4.0, False, "preset 4, paper 5")
    (grid,) = [one for part in sections_of("pix2pix-zero", usual, {}) for one in part.controls if one.label == "Grid"]
    assert grid.widget == "choice" and "diffusers" in grid.choices


@pytest.mark.parametrize(("value", "shown"), [(None, "as usual"), (True, True), (False, False)])
def test_what_is_on_or_off_or_left_out_is_a_choice_of_three(value, shown):
    info = EditSpec.model_fields["restore"]
    one = control(("restore",), info, value, info.default, info.default)
    pytest.importorskip("gradio", reason="Gradio is not installed; install zeroshift[ui].")
    from zeroshift.ui.panel import NOTHING, widget

    component = widget(one)
    assert [given for _, given in component.choices] == [NOTHING, True, False] and component.value == shown
    assert read(one, shown) == shown
    assert one.changed == (value is not None)


def test_what_controls_give_are_options_that_build_the_method():
    usual, changed = options_of(build_method("ddim")), {}

    def set_to(label, value):
        nonlocal changed
        found = [one for section in sections_of("ddim", usual, changed) for one in section.controls]
        (control,) = [one for one in found if one.label == label]
        changed = put(changed, usual, control, read(control, value) if control.path[-1] != "kind" else value)

    set_to("Steps", 12.0)
    set_to("Inversion", "null-text")
    set_to("Inner steps", "3")
    set_to("Extras", ["sampling-noise"])
    set_to("Eta", 0.25)
    extras = [{"kind": "sampling-noise", "eta": 0.25}]
    assert changed == {"steps": 12, "inversion": {"kind": "null-text", "inner_steps": 3}, "extras": extras}
    assert build_method("ddim", changed).inversion.inner_steps == 3
    set_to("Inversion", "ddim")
    set_to("Extras", [])
    set_to("Steps", 50)
    assert changed == {}  # as the model recommends


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_difference_of_options_laid_over_gives_them_back(method):
    paper = options_of(build_method(method.name))
    other = overlay(paper, {"steps": 7, "inversion": {"kind": "noised", "noise_strength": 0.4}, "extras": []})
    for below, above in ((paper, other), (other, paper), (paper, paper)):
        assert overlay(below, difference(below, above)) == above
    assert difference(paper, paper) == {}


@pytest.fixture(scope="module")
def editor(checkpoint):
    return zeroshift.load(checkpoint, device="cpu", cache=False)


@pytest.fixture(scope="module")
def cat():
    return load_image(EXAMPLES / "cat.png")


def test_a_recipe_asks_for_what_was_asked(editor: Editor, cat):
    options = {"steps": 2, "conditioning": {"strength": 0.5}}
    spec = EditSpec(target="dog", source="cat", method="ddim", options=options, region="70,10,200,200", seed=3)
    result = editor.edit(cat, spec)
    again = asked_again(parse_recipe(result.recipe), editor)
    assert (again.options, again.region, again.seed, again.detail) == (options, "70,10,200,200", 3, 0.0)
    other = editor.edit(cat, again)
    assert np.array_equal(np.asarray(result.image), np.asarray(other.image))
    assert other.recipe == result.recipe
    fields, nested, framing = laid_out(again)
    desk = Desk(photo=cat, options=nested, where=where_of(again, cat, None))
    desk.framing = {name: value for name, value in framing.items() if name not in desk.where.said}
    assert fields.strength == 0.5 and asked_for(desk, fields, cat) == again


def test_where_it_changes_is_said_as_the_core_takes_it(cat):
    photo = photographs.shown(Desk(photo=cat))
    assert (photo["width"], photo["height"]) == cat.image.size
    desk, fields = Desk(photo=cat), Fields("dog", seed=2, strength=0.5)
    assert asked_for(desk, fields, cat) == EditSpec(target="dog", seed=2, options={"conditioning": {"strength": 0.5}})
    desk.where = photographs.placed(desk, {"mode": "box", "box": [0.2, 0.0, 0.5, 0.5]})
    assert asked_for(desk, fields, cat).region == "90,0,226,150"
    desk.where = photographs.placed(desk, {"mode": "whole"})
    assert (asked_for(desk, fields, cat).region, asked_for(desk, fields, cat).mask) == ("none", "none")
    with pytest.raises(ImageError, match="expected 16 px a side"):
        photographs.placed(desk, {"mode": "box", "box": [0.2, 0.0, 0.01, 0.5]})


def test_a_painted_mask_is_read_at_the_photographs_size(cat):
    layer = Image.new("RGBA", (45, 30), (255, 90, 31, 0))
    layer.paste((255, 90, 31, 255), (9, 3, 18, 27))
    desk = Desk(photo=cat)
    desk.where = photographs.placed(desk, {"mode": "brush", "mask": data_url(layer)})
    plane = np.asarray(desk.where.painted.image.convert("L")) >= 128
    rows, columns = np.flatnonzero(plane.any(1)), np.flatnonzero(plane.any(0))
    assert plane.shape == (300, 451) and plane[150, 120] and not plane[150, 300]
    assert abs(columns[0] - 90) < 4 and abs(columns[-1] - 180) < 4 and abs(rows[0] - 30) < 4
    assert asked_for(desk, Fields("dog"), cat).mask.sha256 == desk.where.painted.sha256
    assert photographs.placed(desk, {"mode": "brush", "mask": data_url(Image.new("RGBA", (45, 30)))}).painted is None
    with pytest.raises(ImageError, match="paint again"):
        photographs.placed(desk, {"mode": "brush", "mask": "https://example.org/mask.png"})


def data_url(picture: Image.Image) -> str:
    import base64

    file = io.BytesIO()
    picture.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def test_a_file_without_a_recipe_is_a_photograph(tmp_path, cat):
    assert photographs.recipe_in(EXAMPLES / "cat.png") is None
    zeroshift.save_image(cat.image, tmp_path / "sheet.png", recipe={"command": "sheet"})
    assert photographs.recipe_in(tmp_path / "sheet.png") is None
    zeroshift.save_image(cat.image, tmp_path / "broken.png", recipe={"command": "edit", "source_sha256": "0"})
    with pytest.raises(ValueError, match="damaged"):
        photographs.recipe_in(tmp_path / "broken.png")


def test_examples_are_those_of_the_repository():
    for name in photographs.CREDITS:
        assert (photographs.EXAMPLES / name).read_bytes() == (EXAMPLES / name).read_bytes()


def test_words_on_offer_are_those_that_the_model_knows():
    known = KnownWords(frozenset({"cat", "dog", "sketch", "orange", "night", "green", "background"}), ("cat", "dog"))
    vocabulary = SimpleNamespace(**{name: vars(reading)[name] for name in ("retarget", "source_prompt", "targets")})
    groups = offered(known, vocabulary)
    assert groups["subject"] == ("cat", "dog") and groups["background"] == ("green background",)
    assert groups["coat"] == ("orange",) and groups["light"] == ("night",) and groups["style"] == ("sketch",)
    assert offered(known, PlainEnglish()) == {"subject": ("cat", "dog")} and offered(None, vocabulary) == {}
    caption = "a photo of a cat"
    for targets in reading.targets().values():
        assert all(reading.retarget(caption, target) for target in targets if target != "photo")


def test_options_are_called_as_on_the_page():
    said = "try a `region` close around it, a `mask`, `strength` above 1 or another `guidance_scale`."
    names = ("a <b>Box</b> close around it", "a <b>Brush</b>", "<b>Intensity</b> above 1", "<b>Guidance scale</b>.")
    assert all(name in telling.sentence(said) for name in names)
    assert telling.plain("`strength` < 1") == "Intensity < 1"
    part = "the middle, since no head was found; `region` says where it is"
    told = telling.seen(Seen("a photo of a cat"), part)
    assert "found; <b>Box</b> says where it is" in told and "`" not in told


def test_a_stop_reaches_the_runs_of_its_own_page_alone():
    stops = Stops()
    mine, also, other = stops.begin("a"), stops.begin("a"), stops.begin("b")
    stops.end("a", also)
    stops.stop("a")
    stops.stop("nobody")
    assert (mine.is_set(), also.is_set(), other.is_set()) == (True, False, False)


@pytest.mark.slow
def test_photographs_are_as_the_application_allows(editor, tmp_path, monkeypatch):
    pytest.importorskip("gradio", reason="Gradio is not installed; install zeroshift[ui].")
    from zeroshift.ui.bringing import Bringing

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    page = SimpleNamespace(editor=editor, ask=SimpleNamespace(photo="photo"))
    for host, says in (
        (Host(megapixels=0.1), "at most 0.1"),
        (Host(formats=("JPEG",)), "expected one of JPEG"),
    ):
        page.host = host
        (tmp_path / "cat.png").write_bytes((EXAMPLES / "cat.png").read_bytes())
        brought = SimpleNamespace(_data={"path": str(tmp_path / "cat.png"), "name": "cat.png"})
        assert says in Bringing(page).bring(Desk(), 0, brought)["photo"]["wrong"]


def test_every_stage_that_a_run_names_is_told():
    """Stages are named by constants alone, and the page has words for each."""
    assert list(telling.STAGES) == list(STAGES)
    for stage in STAGES:
        at = Working(stage, 3, 7)
        assert telling.STAGES[stage] in telling.progress(at)
        assert ("step 3 of 7" in telling.progress(at)) == (stage not in ("wait", "look"))
    for file in Path(walking.__file__).parent.glob("*.py"):
        for call in (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)):
            if getattr(call.func, "id", "") == "Progress":
                named = call.args[0] if call.args else None
            else:
                named = next((one.value for one in call.keywords if one.arg == "stage"), None)
            if named is not None:
                assert vars(walking)[named.id] in walking.STAGES, f"{file.name}:{call.lineno}"


def test_an_edit_waits_for_its_turn_and_says_so(editor, cat):
    """Two edits and a stranger's run on one device: one after another, and who stops while he waits is stopped."""
    spec = EditSpec(target="dog", source="cat", method="sdedit", options={"steps": 2}, fit="crop")
    turns, stop = Turns(), Event()
    mine, other = (
        in_turn(turns, cat, one, edited(editor, desk, spec, kept=InversionMemory(), stop=one))
        for one, desk in ((Event(), Desk(photo=cat, name="cat.png")), (stop, Desk(photo=cat)))
    )
    with turns.one() as stranger:
        assert stranger.wait(0)
        for run, before in ((mine, 1), (other, 2), (mine, 1)):
            at = next(run)
            assert (at.stage, at.done) == ("wait", before) and f"{before} before it" in telling.progress(at)
        stop.set()
        assert isinstance([*other][-1], Stopped)
    *states, made = mine
    assert states[0].stage == "look" and made.spec == spec
    with turns.one() as stranger:
        assert stranger.wait(0)


def test_an_edit_is_found_again_by_what_was_asked(cat):
    desk = Desk()
    said = {"called": "dog.png", "name": "cat.png", "spec": EditSpec(target="dog"), "photo": cat, "where": Where()}
    made = brought(desk, EXAMPLES / "cat.png", **said)
    desk.made = [made]
    assert desk.made_before(EditSpec(target="dog"), cat) is made
    assert desk.made_before(EditSpec(target="dog", seed=1), cat) is None
    assert desk.made_before(EditSpec(target="dog"), replace(cat, sha256="0")) is None
    assert Where() == Where(said={})


def test_an_edit_that_could_not_be_written_does_not_block_the_next(cat, tmp_path):
    desk, file = Desk(photo=cat), tmp_path / "edit.png"
    file.write_bytes(b"no picture")
    said = {"called": "edit.png", "name": "cat.png", "spec": EditSpec(target="dog"), "photo": cat, "where": Where()}
    with pytest.raises(ValueError, match="not a picture"):
        brought(desk, file, **said)
    cat.image.save(file)
    first, second = (brought(desk, file, **said) for _ in range(2))
    assert first.key != second.key and first.file != second.file


def test_a_result_that_was_brought_keeps_its_name_and_its_bytes(cat, tmp_path):
    desk, file = Desk(), tmp_path / "upload"
    cat.image.save(file, "PNG")
    for called, name in (("cat-dog.png", "cat.jpg"), ("before.png", "after.png"), ("mask.png", "before.png")):
        said = {"called": called, "name": name, "spec": EditSpec(target="dog"), "photo": cat, "where": Where()}
        made = brought(desk, file, **said)
        assert (made.file.name, made.name) == (called, name)
        assert made.file.read_bytes() == file.read_bytes()


def test_names_of_files_are_those_that_a_disk_takes(tmp_path):
    said = {
        "my cat.jpg": "my cat.jpg",
        "../../etc/cat.png": "cat.png",
        "C:\\photos\\cat.png": "cat.png",
        "a\0b\nc.png": "abc.png",
        "": "photograph",
        ".": "photograph",
        "..": "photograph",
        "cats/": "photograph",
        ".jpg": "jpg",
        f"{'x' * 400}.png": f"{'x' * 196}.png",
        f"{'ä' * 400}.png": f"{'ä' * 98}.png",
        f"cat.{'x' * 400}": f"cat.{'x' * 99}",
        "\ud800.png": "png",
    }
    for given, name in said.items():
        assert file_name(given) == name
        (tmp_path / name).touch()


def test_a_long_name_leaves_room_for_that_of_the_result(editor, cat):
    desk = Desk(photo=cat, name=f"{'ä' * 120}.png")
    spec = EditSpec(target="dog", source="cat", method="sdedit", options={"steps": 2}, fit="crop")
    *_, made = edited(editor, desk, spec, kept=InversionMemory(), stop=Event())
    assert made.file.exists() and photographs.recipe_in(made.file).source_path == desk.name


def test_seeds_are_whole_numbers():
    assert numbers("0, 2", int) == [0, 2] and numbers("0.5,1", float) == [0.5, 1.0]
    for text in ("0.5", "inf", "1,,2"):
        with pytest.raises(ValueError, match="Whole numbers with commas"):
            numbers(text, int)


@pytest.mark.parametrize("text", ["inf", "0.5, nan", "1e30", ",".join("0" * 17), f"1{'0' * 400}"])
def test_numbers_side_by_side_are_few_and_of_a_usual_size(text):
    """Each of them is an edit, which is not to fail when its turn comes."""
    with pytest.raises(ValueError, match=r"of a usual size are wanted|17 numbers are too many") as told:
        numbers(text, float)
    assert len(str(told.value)) < 200
    with pytest.raises(ValueError, match=r"of a usual size|Whole numbers|too many"):
        numbers(text, int)


def test_a_student_edits_what_lies_on_the_desk(cat, student_folder):
    student = offered_student(str(student_folder))
    desk = Desk(photo=cat, name="my cat.png", where=Where("box", (0.2, 0.1, 0.5, 0.5)))
    spec = asked_for(desk, Fields("dog", source="cat", method="student", strength=0.5), cat)
    *_, made = student.edited(desk, spec)
    recipe = photographs.recipe_in(made.file)
    again = student.asked_again(recipe)
    assert again == spec.model_copy(update={"fit": recipe.fit})
    alone = student.editor.edit(cat, StudentSpec(target="dog", intensity=0.5, region=spec.region))
    np.testing.assert_array_equal(load_image(made.file).image, alone.image)
    line = f"zeroshift edit 'my cat.png' --student {student_folder} --target dog --source cat --strength 0.5"
    assert student.line(spec, made.name) == f"{line} --region {spec.region}"
    with pytest.raises(ValueError, match="another student than this page's"):
        student.asked_again(recipe.model_copy(update={"model": recipe.model.model_copy(update={"sha256": "0"})}))


def test_lines_of_python_of_a_student_make_its_edit(cat, student_folder, tmp_path, monkeypatch):
    student, spec = offered_student(str(student_folder)), EditSpec(target="dog", method="student", region="none")
    monkeypatch.chdir(tmp_path)
    cat.image.save("cat.png")
    exec(student.python(spec, "cat.png"), {})
    alone = student.editor.edit(load_image("cat.png"), StudentSpec(target="dog", region="none"))
    np.testing.assert_array_equal(load_image(Path("edited.png")).image, alone.image)


def test_what_a_student_cannot_do_is_refused(cat, student_folder):
    student = offered_student(str(student_folder))
    for fields, said in (
        (Fields("fox", method="student"), "does not know fox"),
        (Fields("dog", method="student", strength=1.5), "from 0 to 1, not 1.5"),
        (Fields("dog", method="student", fast=True), "`fast` would do nothing"),
    ):
        with pytest.raises(ValueError, match=said):
            list(student.edited(Desk(photo=cat), asked_for(Desk(), fields, cat)))
