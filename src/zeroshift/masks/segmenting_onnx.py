"""Segmentation networks in the ONNX format, such as U²-Net, IS-Net and BiRefNet, or exports of transformers' models."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from os.path import lexists
from pathlib import Path
from typing import Any, final

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from zeroshift.backbones.whole import loading, read_object
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.extras import lacking
from zeroshift.files import sha256_of
from zeroshift.image.tensors import to_tensor
from zeroshift.masks.preparing import Preparation, classes_of, preparation_in, share_of

_SUMS = 1e-3  # how far shares of classes may be from 1 together


def onnx_file_in(path: str | Path) -> Path | None:
    """The ONNX file that is meant by a path: itself, or in a folder ``model.onnx`` or the only one.

    A folder that has other weights is transformers'; None then, and where there is no such file.

    Raises:
        Unsupported: there are several in the folder, and none is called ``model.onnx``.
    """
    given = Path(path)
    if given.suffix == ".onnx" and given.is_file():
        return given
    if any(given.glob("*.safetensors")):
        return None
    files = sorted([*given.glob("*.onnx"), *given.glob("onnx/*.onnx")])
    usual = [file for file in files if file.name == "model.onnx"] or files
    if len(usual) > 1:
        raise Unsupported(f"The segmenter {given.name} has {len(usual)} ONNX files; give the one that is meant.")
    return usual[0] if usual else None


@final
@dataclass(frozen=True, eq=False)
class OnnxSegmenter:
    """A segmentation network from an ONNX file, whose first output is (1, classes, h, w) or (1, h, w).

    Of one class it is how surely a place is the subject's; of several it is the class that the subject is called by in
    the ``config.json`` beside the file, or where there is none all but the background. It runs on the processor.
    """

    file: Path

    @property
    def _root(self) -> Path:
        return self.file.parent.parent if self.file.parent.name == "onnx" else self.file.parent

    @property
    def _what(self) -> str:
        return f"the segmenter {self.file.name}"

    @cached_property
    def sha256(self) -> str:
        """The hash of its file and of what it is configured by."""
        beside = [*self.file.parent.glob(f"{self.file.name}[_.]*"), *self._root.glob("*config.json")]
        return sha256_of(sorted([self.file, *beside]), self._root)

    @property
    def strict(self) -> bool:
        """Somebody named it, so it is to find what is edited."""
        return True

    def knows(self, subject: str) -> bool:
        """Whether a class is called by the subject, or one is the background, or there is but one.

        Raises:
            Unsupported: the ``config.json`` beside its file is damaged.
        """
        return len(self._labels) < 2 or any(classes_of(self._labels, subject))

    @torch.no_grad()
    def where(self, pictures: Sequence[Image.Image], subject: str) -> Tensor:
        """How surely each place of pictures of one size shows the subject, (B, 1, H, W) in [0, 1].

        Args:
            pictures: RGB, of one size.
            subject: what is looked for, as in "cat".

        Raises:
            Unsupported: onnxruntime is not installed; the file is damaged, or takes no pictures of (1, 3, H, W); the
                network has neither a class of that name nor one for the background.
        """
        x = to_tensor(list(pictures)) / 2 + 0.5
        small = self._prepared.of(x)
        values = torch.cat([self._asked(row[None]) for row in small])  # (B, classes, h, w)
        sure = (
            _between(values) if values.shape[1] == 1 else share_of(_shares(values), self._labels, subject, self._what)
        )
        return F.interpolate(sure, size=x.shape[-2:], mode="bilinear", align_corners=False)

    def _asked(self, x: Tensor) -> Tensor:
        """What it says of a picture as it wants it, (1, 3, h, w): the first output, as (1, classes, h', w')."""
        with loading(self._what, "its file"):
            found = torch.from_numpy(self._session.run(None, {self._session.get_inputs()[0].name: x.numpy()})[0])
        if found.ndim not in (3, 4) or not found.is_floating_point():
            raise Unsupported(
                f"{self._what[0].upper()}{self._what[1:]} answers with {found.dtype} of {tuple(found.shape)}; give one "
                "whose first output is floats of (1, classes, height, width)."
            )
        return (found if found.ndim == 4 else found[:, None]).float()

    @cached_property
    def _session(self) -> Any:  # noqa: ANN401 - an onnxruntime.InferenceSession
        try:
            import onnxruntime
        except ModuleNotFoundError as error:
            raise Unsupported(
                f"An ONNX segmenter needs onnxruntime, which is not installed; {lacking('onnx')}."
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = torch.get_num_threads(), 3
        with loading(self._what, "its file"):
            session = onnxruntime.InferenceSession(str(self.file), options, providers=["CPUExecutionProvider"])
        shape, kind = session.get_inputs()[0].shape, session.get_inputs()[0].type
        if len(session.get_inputs()) > 1 or len(shape) != 4 or shape[1] != 3 or kind != "tensor(float)":
            raise Unsupported(
                f"{self._what[0].upper()}{self._what[1:]} takes {kind} of {shape}; give one that takes pictures as "
                "floats of (1, 3, height, width) alone."
            )
        return session

    @cached_property
    def _prepared(self) -> Preparation:
        """How it wants pictures; a size that is fixed in the file goes before what is beside it."""
        fixed = self._session.get_inputs()[0].shape[2:]
        told = preparation_in(self._root, self._what)
        return Preparation(tuple(fixed), told.mean, told.deviation) if all(isinstance(n, int) for n in fixed) else told

    @cached_property
    def _labels(self) -> list[str]:
        file = self._root / "config.json"
        named = read_object(file, self._what).get("id2label", {}) if lexists(file) else {}
        return [str(named[key]) for key in sorted(named, key=int)]


def _between(values: Tensor) -> Tensor:
    """Of one class: shares as they are, all else through the sigmoid."""
    return values if values.min() >= 0 and values.max() <= 1 else values.sigmoid()


def _shares(values: Tensor) -> Tensor:
    """Of several classes: shares as they are, all else through softmax."""
    are = values.min() >= 0 and bool(((values.sum(1) - 1).abs() < _SUMS).all())
    return values if are else values.softmax(1)
