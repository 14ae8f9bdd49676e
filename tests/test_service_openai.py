"""The service and the real client of OpenAI."""

import asyncio
import base64
import io

import numpy as np
import openai
import pytest
from PIL import Image

import zeroshift
from tests.serving import FEW, every_unfinished, file_of, image_of, pixels, serving
from zeroshift.service.limits import Limits

CAT = file_of(pixels())


@pytest.fixture(scope="module")
def editor(checkpoint) -> zeroshift.Editor:
    return zeroshift.load(checkpoint, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def served(editor):
    with serving(editor, Limits(megapixels=1)) as served:
        yield served


@pytest.fixture(scope="module")
def client(served):
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
def patient():
    """No unfinished picture comes too late."""
    with every_unfinished():
        yield


def asked(**more) -> dict:
    """What a client is called with; fields that are not OpenAI's go into ``extra_body``, as the client has it."""
    extra = {**FEW, **more.pop("extra_body", {})}
    return {"image": CAT, "prompt": "cat -> dog", "extra_body": extra, **more}


def picture(item) -> np.ndarray:
    return np.asarray(image_of(base64.b64decode(item.b64_json)))


def alone(editor, **asked) -> np.ndarray:
    spec = zeroshift.EditSpec(**{"source": "cat", "target": "dog", **FEW, **asked})
    return np.asarray(editor.edit(CAT, spec).image)


def test_an_edit_is_the_editors_own(client, editor):
    made = client.images.edit(**asked())
    (item,) = made.data
    assert np.array_equal(picture(item), alone(editor))
    assert (made.size, made.output_format, made.background) == ("40x32", "png", "opaque")
    assert item.revised_prompt == "a photo of a dog"
    recipe = zeroshift.parse_recipe(zeroshift.read_recipe(base64.b64decode(item.b64_json)))
    *_, last = zeroshift.replay(editor, recipe, zeroshift.load_image(CAT))
    assert np.array_equal(np.asarray(zeroshift.result_of(recipe, last).image), picture(item))


@pytest.mark.parametrize(
    "prompt", ["make the cat a dog", pytest.param("Please turn the cat into a dog.", marks=pytest.mark.slow)]
)
def test_sentences_ask_for_the_same(client, editor, prompt):
    assert np.array_equal(picture(client.images.edit(**asked(prompt=prompt)).data[0]), alone(editor))


def test_source_and_target_go_before_the_prompt(client, editor):
    made = client.images.edit(**asked(prompt="whatever", extra_body={"source": "cat", "target": "tiger"}))
    assert np.array_equal(picture(made.data[0]), alone(editor, target="tiger"))
    assert "`prompt` has no effect where `target` is given." in made.warnings


def test_asynchronously(served, editor, patient):
    async def run():
        async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as client:
            made = await client.images.edit(**asked())
            stream = await client.images.edit(**asked(), stream=True, partial_images=1)
            return made, [event async for event in stream]

    made, events = asyncio.run(run())
    assert np.array_equal(picture(made.data[0]), alone(editor))
    assert [event.type for event in events] == ["image_edit.partial_image", "image_edit.completed"]
    assert events[-1].b64_json == made.data[0].b64_json


def test_a_stream_has_unfinished_pictures_and_the_end(client, editor, patient):
    options = {"steps": 8}
    stream = client.images.edit(**asked(extra_body={"options": options}), stream=True, partial_images=3)
    *partial, last = stream
    assert [(event.type, event.partial_image_index) for event in partial] == [
        ("image_edit.partial_image", index) for index in range(3)
    ]
    assert last.type == "image_edit.completed" and last.usage.total_tokens == 0
    assert np.array_equal(picture(last), alone(editor, options=options))
    shown = [picture(event) for event in (*partial, last)]
    assert {one.shape for one in shown} == {(32, 40, 3)}
    assert len({one.tobytes() for one in shown}) == 4


@pytest.mark.parametrize(("steps", "said"), [(1, "no unfinished picture, not 3"), (3, "2 unfinished pictures, not 3")])
def test_fewer_steps_have_fewer_unfinished_pictures_and_say_so(client, patient, steps, said):
    few = {"method": "ddim", "options": {"steps": steps}}
    *partial, last = client.images.edit(**asked(extra_body=few), stream=True, partial_images=3)
    assert [event.partial_image_index for event in partial] == list(range(steps - 1))
    (warning,) = last.warnings
    assert said in warning and f"took {steps} step" in warning


def test_what_fails_on_the_way_ends_a_stream_with_an_error(client):
    with pytest.raises(openai.APIError, match="has no captioner"):
        list(client.images.edit(**asked(prompt="dog"), stream=True))


@pytest.mark.parametrize("stream", [False, True])
def test_a_mask_is_kept_to_the_pixel(client, patient, stream):
    """Where its alpha is 0 the picture is edited, and nowhere else, also in unfinished pictures."""
    mask = np.full((32, 40, 4), 255, np.uint8)
    mask[8:24, 10:30, 3] = 0
    found = client.images.edit(**asked(mask=file_of(mask)), stream=stream, partial_images=1 if stream else 0)
    pictures = [picture(one) for one in (found if stream else found.data)]
    assert len(pictures) == 1 + stream
    for one in pictures:
        changed = (one != pixels()).any(2)
        assert changed[8:24, 10:30].any() and not changed[mask[..., 3] == 255].any()


def test_a_hole_is_edited_where_it_is_sent_as_the_mask_too_and_else_said_to_stay(client):
    hole = np.dstack([pixels(), np.full((32, 40), 255, np.uint8)])
    hole[8:24, 10:30, 3] = 0
    alone = client.images.edit(**asked(image=file_of(hole)))
    assert (
        alone.background == "transparent"
        and "which stay so; to have them edited, send it as `mask`, too" in alone.warnings[0]
    )
    for written in ({"background": "opaque"}, {"output_format": "jpeg"}):
        laid = client.images.edit(**asked(image=file_of(hole), **written))
        assert laid.background == "opaque" and "which become white; to have them edited" in laid.warnings[0]
    both = client.images.edit(**asked(image=file_of(hole), mask=file_of(hole)))
    shown = Image.open(io.BytesIO(base64.b64decode(both.data[0].b64_json)))
    assert (shown.mode, both.background) == ("RGB", "opaque") and not any("mask" in one for one in both.warnings or ())
    assert np.array_equal(np.asarray(shown)[hole[..., 3] == 255], hole[hole[..., 3] == 255][:, :3])
    other = hole.copy()
    other[26:30, 2:8, 3] = 0
    one = client.images.edit(**asked(image=file_of(other), mask=file_of(hole)))
    assert one.background == "transparent"
    assert np.array_equal(picture(one.data[0])[..., 3], np.where(hole[..., 3] == 0, 255, other[..., 3]))


def test_masks_that_fit_nothing_are_refused(client):
    with pytest.raises(openai.BadRequestError, match="20x20 px and the picture 40x32") as refused:
        client.images.edit(**asked(mask=file_of(pixels(0, 20, 20, 4))))
    assert refused.value.param == "mask"
    with pytest.raises(openai.BadRequestError, match="belongs to one picture"):
        client.images.edit(**asked(image=[CAT, CAT], mask=CAT))
    made = client.images.edit(**asked(mask=file_of(np.full((32, 40), 255, np.uint8))))
    assert "no transparent pixel" in made.warnings[0]


@pytest.mark.slow
def test_fidelity_keeps_the_background_or_nothing(client, editor):
    kept = picture(client.images.edit(**asked(input_fidelity="high")).data[0])
    assert np.array_equal(kept, alone(editor, mask="auto"))
    assert np.array_equal(
        picture(client.images.edit(**asked(input_fidelity="low")).data[0]), alone(editor, mask="none")
    )
    lossy = client.images.edit(**asked(input_fidelity="high", output_format="jpeg"))
    assert "changes every pixel a little" in lossy.warnings[0]


@pytest.mark.slow
def test_unfinished_pictures_say_whose_they_are(client, patient):
    other = file_of(pixels(1))
    events = list(client.images.edit(**asked(image=[CAT, other], n=2), stream=True, partial_images=1))
    assert sorted(event.image_index for event in events if event.type == "image_edit.partial_image") == [0, 1, 2, 3]
    assert [event.image_index for event in events if event.type == "image_edit.completed"] == [0, 1, 2, 3]


@pytest.mark.slow
def test_several_pictures_and_several_of_each(client, editor):
    other = file_of(pixels(1))
    made = client.images.edit(**asked(image=[CAT, other], n=2))
    first = [alone(editor, seed=seed) for seed in (0, 1)]
    assert len(made.data) == 4
    for one, wanted in zip(made.data[:2], first, strict=True):
        assert np.abs(picture(one).astype(int) - wanted).max() <= 1  # rounding of a batch
    assert not np.array_equal(*first)


@pytest.mark.slow
def test_pictures_that_would_be_the_same_are_made_once(client):
    made = client.images.edit(**asked(n=3, extra_body={"method": "ddim", "options": {"steps": 2}}))
    assert len({item.b64_json for item in made.data}) == 1 and len(made.data) == 3
    assert "draws nothing at random" in made.warnings[0]


@pytest.mark.parametrize(("kind", "level"), [("jpeg", 10), ("webp", 10), ("webp", 100)])
def test_formats(client, editor, kind, level):
    made = client.images.edit(**asked(output_format=kind, output_compression=level))
    data = base64.b64decode(made.data[0].b64_json)
    assert image_of(data).format == kind.upper()
    assert zeroshift.read_recipe(data)["target"] == "dog"
    exact = np.array_equal(np.asarray(image_of(data)), alone(editor))
    assert exact == (level == 100)


def test_backgrounds(client):
    clear = pixels(0, channels=4)
    asking = {"image": file_of(clear)}
    kept = picture(client.images.edit(**asked(**asking, background="transparent")).data[0])
    assert np.array_equal(kept[..., 3], clear[..., 3])
    assert picture(client.images.edit(**asked(**asking, background="opaque")).data[0]).shape == (32, 40, 3)
    with pytest.raises(openai.BadRequestError, match="no transparent background"):
        client.images.edit(**asked(background="transparent"))


@pytest.mark.slow
def test_sizes(client):
    made = client.images.edit(**asked(size="64x64"))
    assert picture(made.data[0]).shape == (64, 64, 3) and made.size == "64x64"
    assert "cut to the proportions" in made.warnings[0]
    assert picture(client.images.edit(**asked(size="80x64")).data[0]).shape == (64, 80, 3)
    for size in ("0x10", "1x1", "99999x9", "64", "x"):
        with pytest.raises(openai.BadRequestError, match="WIDTHxHEIGHT"):
            client.images.edit(**asked(size=size))


@pytest.mark.slow
def test_an_address_in_the_place_of_a_picture(client, served):
    url = client.images.edit(**asked(response_format="url")).data[0].url
    assert url.startswith(f"{served.url}/v1/images/results/")
    import httpx2

    answer = httpx2.get(url)
    assert answer.headers["content-type"] == "image/png" and image_of(answer.content).size == (40, 32)
    assert httpx2.get(f"{url}x").status_code == 404


def test_proportions_that_leave_too_little_are_refused(client):
    """64x1024 of 200x133 pixels are 8x133, which is no picture; it came out stretched."""
    with pytest.raises(openai.BadRequestError, match="8x133 pixels") as refused:
        client.images.edit(**asked(image=file_of(pixels(0, 200, 133)), size="64x1024"))
    assert refused.value.param == "size"


def test_fidelity_beside_a_mask_has_no_effect(client):
    mask = np.full((32, 40, 4), 255, np.uint8)
    mask[8:24, 10:30, 3] = 0
    plain = client.images.edit(**asked(mask=file_of(mask)))
    said = "`input_fidelity` has no effect where a `mask` is sent: all outside of the mask keeps its pixels."
    low = client.images.edit(**asked(mask=file_of(mask), input_fidelity="low"))
    assert said in low.warnings and said not in plain.warnings
    assert np.array_equal(picture(low.data[0]), picture(plain.data[0]))


def test_unknown_fields_are_told(client):
    made = client.images.edit(**asked(user="me", extra_body={"sparkle": 1}))
    assert made.warnings[:2] == [f"`{name}` is not known here and has no effect." for name in ("sparkle", "user")]


@pytest.mark.parametrize(
    ("more", "kind", "param", "says"),
    [
        ({"model": "gpt-image-9"}, openai.NotFoundError, "model", "there are: tiny"),
        ({"n": 11}, openai.BadRequestError, "n", "1 to 10"),
        ({"prompt": "cat -> "}, openai.BadRequestError, "prompt", "does not say"),
        ({"prompt": "cat -> cat"}, openai.BadRequestError, "prompt", "both"),
        ({"prompt": "add a hat"}, openai.BadRequestError, "prompt", "not understood"),
        ({"image": b"GIF89a"}, openai.BadRequestError, "image", "PNG, JPEG, WEBP"),
        ({"image": CAT[:200]}, openai.BadRequestError, "image", "damaged"),
        ({"image": [CAT] * 11}, openai.BadRequestError, "image", "at most 10"),
        ({"image": file_of(pixels(0, 1200, 1000))}, openai.BadRequestError, "image", "at most 1"),
        ({"extra_body": {"options": {"steps": 0}}}, openai.BadRequestError, "/options/steps", "1 to 999"),
        ({"extra_body": {"method": "magic"}}, openai.BadRequestError, "method", "choose one of"),
        ({"extra_body": {"direction": "up"}}, openai.BadRequestError, "direction", "started with none"),
        ({"quality": "superb"}, openai.BadRequestError, "quality", "one of"),
    ],
    ids=range(13),
)
def test_errors_are_openais(client, more, kind, param, says):
    with pytest.raises(kind, match=says) as refused:
        client.images.edit(**asked(**more))
    error = refused.value
    assert error.param == param and error.code and error.type == "invalid_request_error"
    assert error.request_id


def test_models(client):
    (model,) = client.models.list()
    assert model.id == "tiny" and client.models.retrieve("tiny").sha256 == model.sha256
