"""An edit as data: JSON and back, what is refused before a model is loaded, and what it resolves to."""

import json

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from tests.saved import picture
from zeroshift.asked.data import DirectionOfSentences, DirectionOfWords, SavedDirection
from zeroshift.asked.edits import EditSpec, spec_schema
from zeroshift.asked.together import spread
from zeroshift.conditioning.direction import direction_of_words, make_direction
from zeroshift.editor import Editor
from zeroshift.image import save_image
from zeroshift.inversions import InversionMemory
from zeroshift.methods import METHODS, SDEdit
from zeroshift.options.errors import OptionError
from zeroshift.options.fields import fields_of
from zeroshift.options.parts import parts_of
from zeroshift.presets import build_method, defaults_of

SENTENCES = {"method": "pix2pix-zero"}
"""a method that goes along a direction made of sentences"""
SPECS = [
    EditSpec(target="dog"),
    EditSpec(target="dog", source="cat", prompt="a cat on a sofa", seed=2**63 - 1, fit="pad", paper_defaults=True),
    EditSpec(target="dog", source="cat", method="pix2pix-zero", options={"steps": 3, "control": {"lambda_xa": 0.1}}),
    EditSpec(target="dog", source="cat", method="prompt-to-prompt", options={"control": {"blend_words": "cat,dog"}}),
    EditSpec(target="dog", direction=DirectionOfWords(source_word="cat", target_word="dog", count=10)),
    EditSpec(target="dog", direction=DirectionOfSentences(source_sentences=["a cat"], target_sentences=["a dog"])),
    EditSpec(target="dog", direction=SavedDirection(sha256="0" * 64)),
]


@pytest.fixture(scope="module")
def editor(tiny) -> Editor:
    return Editor(tiny, {"pix2pix-zero": {"steps": 7}, "ddim": {"conditioning": {"empty_share": 0.5}}})


@pytest.mark.parametrize("spec", SPECS)
def test_json_and_back(spec):
    assert EditSpec.model_validate_json(spec.model_dump_json()) == spec
    assert EditSpec.model_validate(json.loads(spec.model_dump_json(exclude_unset=True))) == spec


@pytest.mark.parametrize("method", METHODS)
def test_every_method_takes_its_own_defaults_as_options(method, editor):
    spec = EditSpec(target="dog", source="cat", method=method.name, paper_defaults=True)
    whole = EditSpec(**{**spec.model_dump(), "options": defaults_of(method)})
    assert EditSpec.model_validate_json(whole.model_dump_json()) == whole
    assert whole.resolve(editor) == spec.resolve(editor)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"target": 3},
        {"target": "dog", "seed": -1},
        {"target": "dog", "seed": 2**63},
        {"target": "dog", "fit": "squash"},
        {"target": "dog", "options": [1]},
        {"target": "dog", "direction": "/etc/passwd"},
        {"target": "dog", "direction": {"path": "/etc/passwd"}},
        {"target": "dog", "direction": {"sha256": "abc"}},
        {"target": "dog", "direction": {"source_sentences": [], "target_sentences": ["a dog"]}},
        {"target": "dog", "strength": 1},
    ],
)
def test_other_data_is_refused(data):
    with pytest.raises(ValidationError):
        EditSpec.model_validate_json(json.dumps(data))


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"target": " "}, "target is empty"),
        ({"source": "Dog"}, 'both "Dog"'),
        ({"source": "cat", "prompt": "a horse"}, "does not stand in the prompt"),
        ({"prompt": "a cat"}, "`prompt` is a sentence with the word `source` in it"),
        ({"method": "nope"}, 'no method "nope"'),
        ({"options": {"steps": 0}}, "steps"),
        ({"options": {"stepz": 3}}, "stepz"),
        ({"options": {"control": {"kind": "nope"}}}, "nope"),
        (
            {**SENTENCES, "options": {"conditioning": {"words": "swap", "sentences": 3}}},
            "`sentences` is for a direction of template",
        ),
        ({"method": "ddim", "options": {"conditioning": {"values_until": 0.3}}}, "`values_until` is for what"),
        ({"method": "ddim", "options": {"conditioning": {"empty_schedule": "linear"}}}, "add that, or leave it out"),
        ({"method": "ddim", "direction": {"sha256": "0" * 64}}, "`direction` means nothing to `conditioning` prompts"),
        (
            {**SENTENCES, "direction": {"sha256": "0" * 64}, "options": {"conditioning": {"words": "swap"}}},
            "`words` say how a direction is made, and `direction` gives another",
        ),
        ({"source": "cat", "method": "prompt-to-prompt", "options": {"control": {"blend_words": "cow,dog"}}}, "cow"),
    ],
)
def test_what_makes_no_sense_is_refused_before_a_model_is_loaded(asked, sentence):
    with pytest.raises(ValueError, match=sentence):
        EditSpec.model_validate({"target": "dog", **asked}).check()


def test_what_is_for_photographs_is_refused_without_one():
    for asked, sentence in (
        ({}, "nothing to look at"),
        ({"source": "cat", **SENTENCES, "options": {"inversion": {"grid": "official"}}}, "`inversion` and its options"),
        ({"source": "cat", **SENTENCES, "options": {"control": {"maps_from": "inversion"}}}, "`maps_from` inversion"),
    ):
        spec = EditSpec.model_validate({"target": "dog", **asked})
        with pytest.raises(ValueError, match=sentence):
            spec.check(photograph=False)
    with pytest.raises(ValueError, match="`maps_from` inversion"):
        EditSpec(target="dog", **SENTENCES, options={"control": {"maps_from": "inversion"}}).check(inverted=False)


def test_it_resolves_to_the_models_presets_and_the_given_options(editor):
    request = EditSpec(target="dog", source="cat", **SENTENCES, options={"guidance_scale": 2.0}).resolve(editor)
    assert request.task.target_prompt == "a photo of a dog"
    assert request.method == build_method("pix2pix-zero", {"steps": 7, "guidance_scale": 2.0})
    assert EditSpec(target="dog", source="cat", paper_defaults=True).resolve(editor).method.steps == 50
    assert EditSpec(target="dog").resolve(editor, "a cat on a sofa").task.target_prompt == "a dog on a sofa"
    with pytest.raises(ValueError, match="say with `source`"):
        EditSpec(target="dog").resolve(editor)


def test_options_that_would_do_nothing_are_refused_with_the_models_presets_in_mind(editor):
    with pytest.raises(ValueError, match="`values_until` is for what"):
        editor.method("ddim", {"conditioning": {"values_until": 0.3}})
    course = {"conditioning": {"empty_schedule": "linear"}}
    assert editor.method("ddim", course).conditioning.empty_share == 0.5
    with pytest.raises(ValueError, match="`empty_schedule` is the course of `empty_share`"):
        editor.method("ddim", course, paper=True)


def test_directions_of_words_sentences_and_a_saved_one(editor, tiny):
    words = direction_of_words(tiny, "cat", "fox", 5)
    spec = EditSpec(target="dog", source="cat", direction={"source_word": "cat", "target_word": "fox", "count": 5})
    assert spec.resolve(editor).task.direction.sha256 == words.sha256
    saved = spec.model_copy(update={"direction": SavedDirection(sha256=words.sha256)})
    assert saved.resolve(editor, direction=words).task.direction is words
    for other in (None, direction_of_words(tiny, "cat", "fox", 6)):
        with pytest.raises(ValueError, match="is not there; pass it beside"):
            saved.resolve(editor, direction=other)
    lines = {"source_sentences": ["a cat", "cats"], "target_sentences": ["a dog"]}
    made = make_direction(tiny, *lines.values(), ("source", "target"), "sentences")
    spec = EditSpec(target="dog", source="cat", direction=lines)
    assert spec.resolve(editor).task.direction.sha256 == made.sha256


def test_strengths_are_spread_out():
    spec = EditSpec(target="dog", **SENTENCES, options={"steps": 3, "conditioning": {"normalise": True}})
    first, second = spread(spec, (0.5, 1.0))
    assert first == spec.model_copy(
        update={"options": {"steps": 3, "conditioning": {"normalise": True, "strength": 0.5}}}
    )
    assert second.options["conditioning"]["strength"] == 1.0
    assert "strength" not in spec.options["conditioning"]
    with pytest.raises(ValueError, match="The options have a `strength`"):
        spread(first, (1.0,))


def test_what_is_wrong_has_its_place_in_the_data():
    for options, pointer in (
        ({"steps": 0}, "/options/steps"),
        ({"control": {"lambda_xa": -1}}, "/options/control/lambda_xa"),
        ({"conditioning": {"words": "swap", "sentences": 3}}, "/options/conditioning/sentences"),
    ):
        with pytest.raises(OptionError) as error:
            EditSpec(target="dog", **SENTENCES, options=options).check()
        assert error.value.pointer == pointer
    with pytest.raises(OptionError) as error:
        EditSpec(target="dog", prompt="a cat").check()
    assert error.value.pointer == "/prompt"


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    Draft202012Validator.check_schema(spec_schema())
    return Draft202012Validator(spec_schema())


@pytest.mark.parametrize("spec", SPECS)
def test_the_schema_takes_what_is_read(schema, spec):
    schema.validate(json.loads(spec.model_dump_json(exclude_unset=True)))
    schema.validate(json.loads(spec.model_dump_json()))


@pytest.mark.parametrize("method", METHODS)
def test_the_schema_takes_every_kind_of_every_part_and_refuses_what_lies_beyond_its_limits(schema, method):
    def valid(options) -> bool:
        return schema.is_valid({"target": "dog", "method": method.name, "options": to_jsonable_python(options)})

    assert valid(defaults_of(method)) and valid({}) and not valid({"nope": 1}) and not valid({"steps": 1000})
    for part in parts_of(method):
        for kind, options in part.kinds.items():
            own = {name: info.default for name, info in fields_of(options).items()}
            assert valid({part.name: [own] if part.several else own})
            unnamed = {name: value for name, value in own.items() if name != "kind"}
            assert not valid({part.name: [{**own, "nope": 1}] if part.several else {**own, "nope": 1}})
            usual = {name for one in part.usual for name in fields_of(part.kinds[one])}
            if not unnamed.keys() <= usual:
                assert not valid({part.name: [unnamed] if part.several else unnamed})
            for name, info in fields_of(options).items():
                most = next((mark.le for mark in info.metadata if hasattr(mark, "le")), None)
                beyond = {"kind": kind, name: 2 * abs(most or 1) + 1}
                if most is not None:
                    assert not valid({part.name: [beyond] if part.several else beyond}), (part, name)


def test_the_schema_refuses_what_is_not_read(schema):
    for wrong in ({"target": 3}, {"method": "nope"}, {"direction": "a.safetensors"}, {"seed": -1}, {"strength": 1}):
        assert not schema.is_valid({"target": "dog", **wrong})
    assert not schema.is_valid({})
    assert not schema.is_valid({"target": "dog", "options": {"control": {"lambda_xa": 1}}})


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"target": "dog", "seed": -1}, "/seed"),
        ({"target": "dog", "seed": 1.5}, "/seed"),
        ({"target": "dog", "fit": "no"}, "/fit"),
        ({"target": "dog", "options": [1]}, "/options"),
        ({"target": "dog", "colour": 1}, "/colour"),
        ({"target": "x" * 2001}, "/target"),
        ({"target": "dog\x00"}, "/target"),
        ({"source": "cat"}, "/target"),
        ('{"target": "dog", "paper_defaults": "yes"}', "/paper_defaults"),
    ],
)
def test_what_cannot_be_read_says_where_it_is_wrong(body, pointer):
    with pytest.raises(OptionError) as refusal:
        EditSpec.parse(body)
    assert refusal.value.pointer == pointer
    assert "\n" not in str(refusal.value) and "http" not in str(refusal.value)


def test_a_region_is_refused_where_it_stands():
    with pytest.raises(OptionError, match="must be X,Y,W,H") as refusal:
        EditSpec(target="dog", source="cat", region="1,2").check()
    assert refusal.value.pointer == "/region"


def test_a_method_may_be_named(tiny):
    editor, photo = Editor(tiny, {"sdedit": {"steps": 2}}), picture(0)
    named = editor.edit(photo, "cat", "dog", method="sdedit")
    assert named.recipe == editor.edit(photo, "cat", "dog", method=editor.method("sdedit")).recipe
    with pytest.raises(ValueError, match='There is no method "sdedi"'):
        editor.edit(photo, "cat", "dog", method="sdedi")
    for wrong in (5, SDEdit):
        with pytest.raises(ValueError, match="is the name of one, or one built from its class"):
            editor.edit(photo, "cat", "dog", method=wrong)
    with pytest.raises(OptionError, match="`target` of an edit"):
        editor.edit(photo, "cat", 3)
    assert repr(editor).startswith("Editor(tiny, cpu, fp") and "\n" not in repr(editor)


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ({"strict": True}, "give all that is asked for as an EditSpec, as in EditSpec(target=..., strict=...)."),
        ({"steps": 20}, "as in method=editor.method('plug-and-play', {'steps': ...})."),
        ({"lambda_xa": 0.1}, "as in method=editor.method('pix2pix-zero', {'control': {'lambda_xa': ...}})."),
        ({"promt": "a cat"}, "did you mean `prompt`."),
        ({"stregth": 0.5}, "did you mean `strength`."),
        ({"zzz": 1}, "see help(zeroshift.Editor.edit)."),
    ],
)
def test_an_argument_that_there_is_not_is_refused_with_what_to_do(tiny, given, advice):
    editor, (name,) = Editor(tiny, {}), given
    for called in ("edit", "stream"):
        with pytest.raises(TypeError) as refused:
            getattr(editor, called)(picture(0), "cat", "dog", **given)
        assert str(refused.value).startswith(f"`{called}` has no argument `{name}`; ")
        assert str(refused.value).endswith(advice)


@pytest.mark.parametrize("method", [None, "sdedit", SDEdit(steps=4)])
def test_strength_is_an_argument_as_well(tiny, method):
    editor, photo = Editor(tiny, {"plug-and-play": {"steps": 2}, "sdedit": {"steps": 4}}), picture(0)
    result = editor.edit(photo, "cat", "dog", method=method, strength=0.5)
    name, options = "sdedit" if method else "plug-and-play", {"conditioning": {"strength": 0.5}}
    spec = EditSpec(target="dog", source="cat", method=name, options=options)
    asked = editor.edit(photo, spec) if not isinstance(method, SDEdit) else None
    assert result.recipe["options"]["conditioning"]["strength"] == 0.5
    assert asked is None or result.image.tobytes() == asked.image.tobytes()
    with pytest.raises(ValueError, match="strength"):
        editor.edit(photo, "cat", "dog", method=method, strength=-1)


def test_fewer_passes_are_an_argument_as_well(tiny):
    editor, photo = Editor(tiny, {"sdedit": {"steps": 8}}), picture(0)
    fast = editor.edit(photo, "cat", "dog", method="sdedit", fast=True)
    assert fast.recipe == editor.edit(photo, EditSpec(target="dog", source="cat", method="sdedit", fast=True)).recipe
    assert fast.recipe != editor.edit(photo, "cat", "dog", method="sdedit").recipe
    with pytest.raises(ValueError, match="is not made `fast`"):
        editor.edit(photo, "cat", "dog", method=SDEdit(steps=2), fast=True)


def test_four_numbers_are_a_region_and_anything_else_is_refused(tiny):
    editor, photo = Editor(tiny, {"sdedit": {"steps": 2}}), picture(0)
    given = editor.edit(photo, "cat", "dog", method="sdedit", region=(2, 3, 16, 17))
    assert (
        given.image.tobytes() == editor.edit(photo, "cat", "dog", method="sdedit", region="2,3,16,17").image.tobytes()
    )
    assert given.recipe["region"] == [2, 3, 18, 20]
    counted = editor.edit(photo, "cat", "dog", method="sdedit", region=tuple(np.array([2, 3, 16, 17])))
    assert counted.image.tobytes() == given.image.tobytes()
    for wrong in ((1, 2, 3), ("1", 2, 30, 30), (True, 2, 30, 30)):
        with pytest.raises(ValueError, match="has four numbers"):
            editor.edit(photo, "cat", "dog", region=wrong)


def test_a_word_alone_is_the_source_and_that_is_said(tiny):
    with pytest.raises(ValueError, match="'dog' was taken for the source"):
        Editor(tiny, {}).edit(picture(0), "dog")


def test_a_result_saves_itself_with_its_recipe(tiny, tmp_path):
    result = Editor(tiny, {"sdedit": {"steps": 2}}).edit(picture(0), "cat", "dog", method="sdedit")
    result.save(tmp_path / "dog.png")
    save_image(result.image, tmp_path / "other.png", recipe=result.recipe)
    assert (tmp_path / "dog.png").read_bytes() == (tmp_path / "other.png").read_bytes()


def test_another_edit_of_the_same_picture_inverts_nothing(tiny):
    editor, photo, kept = Editor(tiny, {}), picture(0), InversionMemory()
    spec = EditSpec(target="dog", source="cat", method="ddim", options={"steps": 2})
    for target in ("dog", "fox"):
        stages = {
            step.stage for step in editor.stream(photo, spec.model_copy(update={"target": target}), inversions=kept)
        }
        assert stages == ({"invert", "edit"} if target == "dog" else {"edit"})


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"target": " "}, "/target"),
        ({"source": "cat", "target": "CAT"}, "/target"),
        ({"source": "a cat on a sofa"}, "/target"),
        ({"source": " "}, "/source"),
        ({"source": "cat", "prompt": "a cow"}, "/prompt"),
        ({"source": "a cat on a sofa", "prompt": "a cat"}, "/prompt"),
        ({"region": "1,2"}, "/region"),
        ({"method": "none"}, "/method"),
        ({"options": {"conditioning": {"words": "none"}}}, "/options/conditioning/words"),
        (
            {"source": "cat", "method": "prompt-to-prompt", "options": {"control": {"blend_words": "cow,dog"}}},
            "/options",
        ),
    ],
)
def test_whatever_is_refused_has_its_place_in_the_data(asked, pointer):
    with pytest.raises(OptionError) as error:
        EditSpec.model_validate({"target": "dog", **asked}).check()
    assert error.value.pointer.startswith(pointer)


def test_wrong_options_beside_strengths_have_their_place_in_the_data():
    for asked, pointer in (
        ({"method": "none"}, "/method"),
        ({**SENTENCES, "options": {"conditioning": {"words": "none"}}}, "/options/conditioning/words"),
    ):
        with pytest.raises(OptionError) as error:
            spread(EditSpec.model_validate({"target": "dog", **asked}), (1.0,))
        assert error.value.pointer == pointer


def test_what_is_passed_beside_an_edit_is_missed_before_a_model_is_loaded():
    saved = EditSpec(target="dog", source="cat", **SENTENCES, direction=SavedDirection(sha256="0" * 64))
    with pytest.raises(OptionError, match="The edit direction 000000000000 is not there") as refusal:
        saved.check()
    assert refusal.value.pointer == "/direction"
    saved.check(directed=True)
    seen = {"extras": [{"kind": "refinement", "refine_perceptual": 1.0}]}
    perceptual = EditSpec(target="dog", source="cat", method="sdedit", options=seen)
    perceptual.check()
    with pytest.raises(OptionError) as refusal:
        perceptual.check(vgg=False)
    assert refusal.value.pointer.startswith("/options")
