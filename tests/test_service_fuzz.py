"""A service and what nobody should send: the bounded part of ``python -m benchmarks.service_fuzz``."""

from random import Random

import httpx2
import pytest
from benchmarks.service_fuzz import send_document, send_edits, send_pictures

import zeroshift
from tests.serving import serving
from zeroshift.service.limits import Limits


@pytest.fixture(scope="module")
def served(checkpoint):
    editor = zeroshift.load(checkpoint, device="cpu", precision="fp32")
    with serving(editor, Limits(seconds=2, megapixels=2)) as served:
        yield served
        assert httpx2.get(f"{served.url}/readyz").status_code == 200


def test_damaged_pictures(served):
    answers = send_pictures(served.url, 60, Random(0))
    assert answers.total() == 60 and {status for _, status in answers} <= {200, 400}


def test_requests_from_the_document(served):
    """Right ones are answered or refused by name, wrong ones are refused."""
    answers = send_document(served.url, 12, 0)
    assert {status for kind, status in answers if kind.endswith("positive")} <= {200, 202, 400, 404}
    assert {status for kind, status in answers if kind.endswith("negative")} <= {400, 404}


@pytest.mark.slow
def test_many_requests_from_the_document_and_edits(served):
    answers = (
        send_document(served.url, 600, 1) + send_edits(served.url, 40, 1) + send_pictures(served.url, 600, Random(1))
    )
    assert answers.total() > 1200 and not {status for _, status in answers} & {500, 503}
