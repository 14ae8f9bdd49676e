"""``zeroshift distill export``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from zeroshift.cli.output import check_writable
from zeroshift.cli.shared import OUTPUT, Text
from zeroshift.cli.wrong import Wrong, usage
from zeroshift.files import write_atomically


def export(
    student: Annotated[Path, Parameter(help="folder of a student, or its hub id")],
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"], group=OUTPUT, help="file to write (.onnx or .html)")],
    runtime: Annotated[
        Path | None, Parameter(help="folder dist of npm's onnxruntime-web, for .html", metavar="FOLDER")
    ] = None,
    model: Annotated[
        Text | None,
        Parameter(help="the model that a one-step student changes [default where the student says]", metavar="MODEL"),
    ] = None,
) -> None:
    """Write a student as an ONNX file, or as one page that edits pictures in a browser, without a server."""
    if output.suffix not in (".onnx", ".html"):
        raise Wrong(f"{output} must end in .onnx or .html; give such a name.")
    if (output.suffix == ".html") != (runtime is not None):
        raise Wrong("A page (.html) has onnxruntime-web in it, and an ONNX file none: give --runtime with .html alone.")
    check_writable(output, output.suffix)
    from zeroshift.distillation.exporting import onnx_bytes, page
    from zeroshift.distillation.students import open_student

    with usage():
        opened = open_student(student, model=model)
    data = onnx_bytes(opened) if runtime is None else page(opened, runtime).encode()
    write_atomically(output, data)
    print(f"{output}: {len(data) / 1e6:.1f} MB")
