"""Recipes as data: those of version 0.1 are followed to the byte, and a stranger's can ask for nothing."""

import shutil
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from tests.runs import method
from tests.saved import picture
from tests.shell import call, photograph, refused
from zeroshift import load
from zeroshift.conditioning.direction import load_direction
from zeroshift.editor import Editor
from zeroshift.image import load_image, read_recipe, save_image
from zeroshift.installed import versions_of_pictures
from zeroshift.methods import METHODS
from zeroshift.recipe import RECIPE, EditRecipe, GenerateRecipe, parse_recipe
from zeroshift.redo import replay, result_of, why_different
from zeroshift.sentences import printable

OLD = Path(__file__).parent / "data/recipes-0.1"
PICTURES = sorted(
    path.name for path in OLD.iterdir() if path.suffix in (".png", ".jpg", ".webp") and path.stem not in ("cat", "tom")
)


@pytest.fixture(scope="module")
def editor(checkpoint) -> Editor:
    return load(checkpoint, device="cpu", precision="fp32")


def photo_of(recipe):
    photos = [load_image(OLD / name) for name in ("cat.png", "tom.png")]
    return next((photo for photo in photos if photo.sha256 == getattr(recipe, "source_sha256", None)), None)


@pytest.mark.parametrize("name", PICTURES)
def test_recipes_of_version_0_1_make_the_same_picture(editor, name):
    """To a grey level anywhere; bytes are compared where the libraries are those of then."""
    recipe = parse_recipe(read_recipe(OLD / name), name)
    direction = load_direction(OLD / "fox.safetensors") if getattr(recipe, "direction_path", None) else None
    *_, last = replay(editor, recipe, photo_of(recipe), direction)
    result = result_of(recipe, last)
    made = np.asarray(result.native if recipe.native else result.image, dtype=int)
    if not name.endswith("jpg"):
        assert np.abs(made - np.asarray(Image.open(OLD / name), dtype=int)).max() <= 1


@pytest.fixture(scope="module")
def same_last_bits(editor) -> bool:
    """Whether this CPU adds up as the one of then, seen by one inversion; CPUs of the same instructions may not."""
    recipe = parse_recipe(read_recipe(OLD / "plain.png"), "plain.png")
    *_, last = replay(editor, recipe, photo_of(recipe), None)
    return result_of(recipe, last).recipe["inversion_sha256"] == recipe.inversion_sha256


@pytest.mark.parametrize("now", ["0.1.0", "0.2.0"])
@pytest.mark.parametrize("name", PICTURES)
def test_recipes_of_version_0_1_are_redone_byte_for_byte(
    capsys, checkpoint, tmp_path, monkeypatch, same_last_bits, name, now
):
    recipe = parse_recipe(read_recipe(OLD / name), name)
    if any(versions_of_pictures()[library] != old for library, old in recipe.versions.items()):
        pytest.skip("other versions of the libraries")
    if not same_last_bits:
        pytest.skip("made on a CPU of other last bits")
    monkeypatch.setattr("zeroshift.asked.request.version", lambda of: now if of == "zeroshift" else version(of))
    shutil.copytree(OLD, tmp_path / "old")
    monkeypatch.chdir(tmp_path)
    done = call(capsys, "redo", f"old/{name}", "-o", f"again{Path(name).suffix}", "--model", checkpoint)
    assert "the same bytes" in done.out, done
    assert (tmp_path / f"again{Path(name).suffix}").read_bytes() == (OLD / name).read_bytes()


def test_every_recipe_is_of_the_type_and_back(editor):
    *_, last = editor.run([picture(0)], [_request(editor)], reconstruct=True)
    *_, generated = editor.run_generated([_request(editor)], seeds=[1, 2])
    written = [last.results[0][0].recipe, generated.results[1][0].recipe]
    for one in written:
        recipe = RECIPE.validate_python(one)
        assert isinstance(recipe, EditRecipe)
        assert (recipe.written(), recipe.model_extra) == (one, {})
        assert RECIPE.validate_json(recipe.model_dump_json(exclude_unset=True)) == recipe
    assert {"source_sha256", "inversion_sha256", "fit"} & written[1].keys() == set()


def _request(editor: Editor):
    from zeroshift.asked.edits import EditSpec

    return EditSpec(
        target="dog", source="cat", method="pix2pix-zero", options={"steps": 2, "conditioning": {"words": "swap"}}
    ).resolve(editor)


def test_the_schema_says_what_is_bounded():
    schema = RECIPE.json_schema()["$defs"]
    assert schema["EditRecipe"]["properties"]["rows"]["maximum"] == 64
    assert schema["EditRecipe"]["required"] == [
        *("zeroshift", "model", "versions", "threads", "device", "precision", "seed"),
        *("method", "options", "source", "target", "source_prompt", "target_prompt"),
    ]
    assert schema["GenerateRecipe"]["properties"]["steps"] == {
        "maximum": 999,
        "minimum": 1,
        "title": "Steps",
        "type": "integer",
    }


def old(**other) -> dict[str, object]:
    return {**read_recipe(OLD / "plain.png"), **other}


@pytest.mark.parametrize(
    "other",
    [
        {"rows": 65, "row": 0},
        {"rows": 2, "row": 2},
        {"rows": -1},
        {"threads": 10**6},
        {"seed": 2**63},
        {"seed": 1e400},
        {"target": "dog" * 10**4},
        {"command": "\x1b[2Jrm"},
        {"versions": {"torch": 3}},
        {"model": "shipped"},
    ],
)
def test_a_strangers_numbers_and_texts_are_bounded(other):
    with pytest.raises(ValueError, match="is damaged|is no edited") as error:
        parse_recipe(old(**other), "a.png")
    assert str(error.value).isprintable()


def test_what_is_to_be_made_again_has_to_be_what_it_was_made_from(editor, tiny):
    recipe = parse_recipe(old())
    with pytest.raises(ValueError, match="from another photograph"):
        replay(editor, recipe, picture(0))
    with pytest.raises(ValueError, match="from another photograph"):
        replay(editor, recipe)
    with pytest.raises(ValueError, match="another edit direction"):
        replay(editor, recipe, photo_of(recipe), load_direction(OLD / "fox.safetensors"))
    with pytest.raises(ValueError, match="made with another model"):
        replay(Editor(tiny, {}), recipe, photo_of(recipe))
    with pytest.raises(ValueError, match="has no option"):
        replay(editor, parse_recipe(old(options={"nope": 1})), photo_of(recipe))


def test_a_model_named_in_a_picture_is_not_fetched(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photograph(tmp_path / "cat.png")
    for name in ("some/where", "tiny\x1b]0;", "\u202egnp"):
        model = {"name": name, "sha256": "0" * 64, "revision": None}
        with Image.open(OLD / "plain.png") as made:
            save_image(made, "a.png", recipe=old(model=model))
        shown = name if name.isprintable() else printable(name)
        refused(call(capsys, "redo", "a.png"), 1, f"with the model {shown}", "say where that is with --model")


def test_files_far_from_the_picture_are_not_opened(capsys, checkpoint, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    photo = photograph(tmp_path / "secret.png")
    with Image.open(OLD / "plain.png") as made:
        save_image(made, "a.png", recipe=old(source_path="../secret.png"))
        save_image(made, "b.png", recipe=old(source_path=str(photo)))
        save_image(made, "c.png", recipe=old(direction_path="/etc/passwd", direction_sha256="0" * 64))
    for name in ("a.png", "b.png"):
        refused(call(capsys, "redo", name, "--model", checkpoint), 1, "is not there; give it with --image")
    with Image.open(OLD / "plain.png") as made:
        save_image(made, "d.png", recipe=old(source_path="."))
    refused(call(capsys, "redo", "d.png", "--model", checkpoint), 1, "error: The photograph, from which d.png was made")
    shutil.copy(OLD / "cat.png", "cat.png")
    refused(call(capsys, "redo", "c.png", "--model", checkpoint), 1, "far from here; give it with --direction")


def test_more_pictures_than_a_recipe_may_have_are_refused(editor):
    photos = [picture(0)] * 65
    with pytest.raises(ValueError, match="At most 64 pictures run together"):
        next(iter(editor.run(photos, [_request(editor)])))
    with pytest.raises(ValueError, match="A batch has 1 to 64 pictures, not 65"):
        editor.edit(photos, "cat", "dog", method=method(), batch=65)


def test_recipes_are_frozen():
    recipe = RECIPE.validate_python(read_recipe(OLD / "generate.png"))
    assert isinstance(recipe, GenerateRecipe)
    with pytest.raises(ValidationError):
        recipe.rows = 3


@pytest.mark.parametrize("method", METHODS)
def test_every_number_among_the_options_has_a_limit(method):
    """A recipe's options are read as a method's; lists of parts have each kind once."""
    schema = TypeAdapter(method).json_schema()
    found = [
        (name, field)
        for name, part in [*schema["$defs"].items(), (method.name, schema)]
        for field, own in part["properties"].items()
        for one in [own, *own.get("anyOf", [])]
        if (one.get("type") in ("integer", "number") and not {"maximum", "exclusiveMaximum"} & one.keys())
        or (one.get("type") == "array" and field not in ("extras", "fusion_weights") and "maxItems" not in one)
    ]
    assert found == []


def test_the_opencv_that_fits_edits_in_is_named_and_told_where_it_is_another():
    made = {"versions": versions_of_pictures(), "machine": None, "threads": None}
    assert made["versions"]["opencv"] == cv2.__version__
    recipe = parse_recipe(read_recipe(OLD / "plain.png"), "plain.png")
    assert "opencv" not in recipe.versions and "opencv" not in why_different(recipe, made)
    other = recipe.model_copy(update={"versions": {**recipe.versions, "opencv": "4.0.0"}})
    assert f"opencv 4.0.0 then, {cv2.__version__} now" in why_different(other, made)
