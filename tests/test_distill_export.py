"""Students outside of PyTorch: under onnxruntime, and in a browser."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.shell import call, refused
from zeroshift.distillation.exporting import onnx_bytes, page
from zeroshift.distillation.one_step import OneStep
from zeroshift.distillation.residual import Residual
from zeroshift.distillation.students import Student, open_student, save_student

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
DIST = Path(os.environ.get("ORT_WEB_DIST", "node_modules/onnxruntime-web/dist"))
"""of npm's package; the browser's test needs it, and nothing else does"""


WAYS = [["cat", "dog"], ["dog", "cat"]]


@pytest.fixture(scope="module", params=["residual", "one-step"])
def student(request, tmp_path_factory, checkpoint) -> Student:
    torch.manual_seed(0)
    if request.param == "residual":
        network = Residual(WAYS, 32, (8, 32), (1, 1), 8)
    else:
        network = OneStep(WAYS, ["a photo of a dog", "a photo of a cat"], str(checkpoint), rank=3)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    folder = tmp_path_factory.mktemp("student") / "tiny"
    save_student(network, folder, "a card")
    return open_student(folder)


@pytest.fixture(scope="module")
def exported(student) -> bytes:
    return onnx_bytes(student)


def test_onnxruntime_gives_what_torch_gives(student, exported):
    session = onnxruntime.InferenceSession(exported)
    assert session.get_modelmeta().custom_metadata_map["student_sha256"] == student.sha256
    x = torch.rand(1, 3, 32, 32) * 2 - 1
    for direction in (0, 1):
        for intensity in (0.0, 0.3, 1.0):
            given = {
                "picture": x.numpy(),
                "direction": np.array([direction]),
                "intensity": np.array([intensity], np.float32),
            }
            (found,) = session.run(None, given)
            wanted, _ = student.edited(x, direction, intensity)
            np.testing.assert_allclose(found, wanted.numpy(), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("out.txt", [], "must end in .onnx or .html"),
        ("out.html", [], "give --runtime with .html alone"),
        ("out.onnx", ["--runtime", "."], "give --runtime with .html alone"),
    ],
)
def test_exports_that_make_no_sense_are_refused(name, options, words, tmp_path, capsys):
    refused(call(capsys, "distill", "export", tmp_path, "-o", tmp_path / name, *options), 2, words)


def test_a_page_needs_the_browsers_runtime(student, tmp_path):
    with pytest.raises(ValueError, match="has no ort.wasm.min.js; give the folder dist of npm's package"):
        page(student, tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not DIST.is_dir(), reason="onnxruntime-web is not there: npm install onnxruntime-web")
def test_the_page_edits_as_torch_does(student, tmp_path):
    """In headless Chromium, from the file, with every connection refused."""
    browsers = pytest.importorskip("playwright.sync_api")
    (tmp_path / "page.html").write_text(page(student, DIST), encoding="utf-8")
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    with browsers.sync_playwright() as player:
        browser = player.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        shown = browser.new_page()
        asked: list[str] = []
        shown.on("request", lambda request: asked.append(request.url))
        shown.goto((tmp_path / "page.html").as_uri())
        shown.set_input_files("#file", tmp_path / "photo.png")
        shown.get_by_text("Edited in").wait_for(timeout=120_000)
        script = "Array.from(document.getElementById('after').getContext('2d').getImageData(0, 0, 32, 32).data)"
        found = np.array(shown.evaluate(script), np.uint8).reshape(32, 32, 4)[..., :3]
        browser.close()
    assert {url.partition(":")[0] for url in asked} <= {"file", "blob", "data"}
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1
    wanted = ((student.edited(x, 0, 1.0)[0][0].permute(1, 2, 0).numpy() + 1) * 127.5).round()
    assert np.abs(found.astype(int) - wanted).max() <= 1  # what half a grey level becomes is rounded either way
