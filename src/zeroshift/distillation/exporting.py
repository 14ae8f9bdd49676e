"""Students as ONNX files, and as one page for a browser that needs no server."""

import base64
import io
import json
import logging
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zeroshift.distillation.students import Student
from zeroshift.extras import lacking
from zeroshift.files import read_regular, read_text

OPSET = 18
NAMES = ("picture", "direction", "intensity")
"""inputs of the file: (1, 3, S, S) in [-1, 1], (1,) int64, (1,); the output is ``edit`` (1, 3, S, S)"""
TEMPLATE = Path(__file__).with_name("page.html")


class Traced(nn.Module):
    """A student as one function of three tensors."""

    def __init__(self, student: Student) -> None:
        super().__init__()
        self.network = student.network

    def forward(self, picture: Tensor, direction: Tensor, intensity: Tensor) -> Tensor:
        """The edit, clamped to [-1, 1]."""
        edit: Tensor = self.network(picture, direction, intensity).clamp(-1, 1)
        return edit


def onnx_bytes(student: Student) -> bytes:
    """The student as an ONNX file for one picture of its size, in float32; its words stand in the metadata.

    Raises:
        ValueError: the packages of the extra ``onnx`` are not installed.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401 - torch's exporter is made of it
    except ImportError as error:
        raise ValueError(f"Exporting needs ONNX's packages; {lacking('onnx')}.") from error
    size, file = student.network.size, io.BytesIO()
    given = (torch.zeros(1, 3, size, size), torch.zeros(1, dtype=torch.int64), torch.ones(1))
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what torch's exporter itself is made of
        program: Any = torch.onnx.export(
            Traced(student),
            given,
            input_names=list(NAMES),
            output_names=["edit"],
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    program.save(file)
    model = onnx.load_from_string(file.getvalue())
    facts = {"directions": json.dumps(student.directions), "size": str(size), "student_sha256": student.sha256}
    onnx.helper.set_model_props(model, facts)
    data: bytes = model.SerializeToString()
    return data


def page(student: Student, runtime: Path) -> str:
    """One HTML file that edits pictures in a browser, without a server.

    Args:
        student: whose weights stand in the page.
        runtime: folder ``dist`` of npm's onnxruntime-web, whose script and WebAssembly are put into the page, too.

    Raises:
        ValueError: the folder is none, or ONNX's packages are not installed.
    """
    script, binary = runtime / "ort.wasm.min.js", runtime / "ort-wasm-simd-threaded.wasm"
    loader = runtime / "ort-wasm-simd-threaded.mjs"
    for path in (script, binary, loader):
        if not path.is_file():
            raise ValueError(f"{runtime} has no {path.name}; give the folder dist of npm's package onnxruntime-web.")
    parts = {
        "RUNTIME": read_text(script).replace("</script", "<\\/script"),
        "LOADER": json.dumps(base64.b64encode(read_regular(loader)).decode()),
        "WASM": json.dumps(base64.b64encode(read_regular(binary)).decode()),
        "STUDENT": json.dumps(base64.b64encode(onnx_bytes(student)).decode()),
        "FACTS": json.dumps({"directions": student.directions, "size": student.network.size, "name": student.name}),
    }
    text = TEMPLATE.read_text(encoding="utf-8")
    for name, value in parts.items():
        text = text.replace(f"/*{name}*/", value)
    return text
