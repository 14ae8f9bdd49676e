"""Students in the service: offered as models, asked as every edit is."""

import json

import httpx2
import numpy as np
import pytest

import zeroshift
from tests.serving import file_of, image_of, pixels, serving
from zeroshift.distillation.editing import StudentSpec
from zeroshift.distillation.opening import open_editor
from zeroshift.service.limits import Limits

CAT = file_of(pixels(0, 48, 48))


@pytest.fixture(scope="module")
def student(student_folder):
    return open_editor(student_folder)


@pytest.fixture(scope="module")
def client(checkpoint, student):
    editor = zeroshift.load(checkpoint, device="cpu", precision="fp32")
    with (
        serving(editor, students={"quick": student}) as served,
        httpx2.Client(base_url=served.url, timeout=60) as client,
    ):
        yield client


def asked(client, **fields):
    spec = {"target": "dog", **fields}
    return client.post("/v1/edits", files={"image": CAT}, data={"spec": json.dumps(spec), "model": "quick"})


def test_it_is_offered_with_the_edits_that_it_knows(client, student):
    listed = client.get("/v1/models").json()["data"]
    assert [one["id"] for one in listed] == ["tiny", "quick"]
    assert listed[1] == client.get("/v1/models/quick").json()
    assert listed[1]["edits"] == [["cat", "dog"], ["dog", "cat"]]
    assert listed[1]["sha256"] == student.student.sha256


@pytest.mark.parametrize("strength", [0.5, 1])
def test_its_edit_is_what_it_makes_alone(client, student, strength):
    options = {"conditioning": {"strength": strength}}
    answer = client.post(
        "/v1/edits",
        files={"image": CAT},
        data={"spec": json.dumps({"target": "dog", "options": options}), "model": "quick"},
        headers={"Accept": "image/png"},
    )
    alone = student.edit(CAT, StudentSpec(target="dog", intensity=strength)).image
    np.testing.assert_array_equal(image_of(answer.content), alone)
    assert json.loads(image_of(answer.content).text["zeroshift"])["method"] == "student"


@pytest.mark.parametrize(
    ("fields", "where", "said"),
    [
        ({"target": "fox"}, "target", "does not know fox; it knows cat to dog, dog to cat"),
        ({"method": "sdedit"}, "method", "is a method of its own"),
        ({"fast": True}, "fast", "in one pass"),
        ({"options": {"steps": 3}}, "options", "`steps` would do nothing"),
        ({"options": {"conditioning": {"strength": 1.5}}}, "strength", "from 0 to 1, not 1.5"),
    ],
)
def test_what_would_do_nothing_is_refused(client, fields, where, said):
    answer = asked(client, **fields)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert said in error["message"]
    assert where in error["param"]


def test_openais_way(client, student):
    fields = {"prompt": "cat -> dog", "model": "quick", "n": "2"}
    answer = client.post("/v1/images/edits", files={"image": CAT}, data=fields).json()
    one, other = answer["data"]
    assert one == other
    assert any("nothing at random" in warning for warning in answer["warnings"])
    refused = client.post("/v1/images/edits", files={"image": CAT}, data={**fields, "prompt": "fox"})
    assert refused.json()["error"]["param"] == "prompt"


def test_it_takes_room_for_the_one_picture_that_it_makes(checkpoint, student):
    editor = zeroshift.load(checkpoint, device="cpu", precision="fp32")
    limits = Limits(held_bytes=3 * 5 * 48 * 48 + len(CAT))  # its photograph, its result, and the form
    with serving(editor, limits, students={"quick": student}) as served:
        fields = {"prompt": "cat -> dog", "model": "quick", "n": "10", "stream": "true", "partial_images": "3"}
        answer = httpx2.post(f"{served.url}/v1/images/edits", files={"image": CAT}, data=fields, timeout=60)
        assert answer.status_code == 200 and answer.text.count("event: image_edit.completed") == 10


def test_it_says_nothing_of_pictures(client):
    answer = client.post("/v1/captions", files={"image": CAT}, data={"model": "quick"})
    assert answer.status_code == 400
    assert "quick is a student and says nothing of pictures" in answer.json()["error"]["message"]
