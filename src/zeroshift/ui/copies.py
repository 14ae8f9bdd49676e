"""An edit as a few lines of Python."""

from pathlib import Path

from zeroshift.asked.data import GivenMask
from zeroshift.asked.edits import EditSpec


def python_of(spec: EditSpec, image: str, model: str | None = None) -> str:
    """Lines that do the edit of the photograph called ``image`` with the same result.

    Args:
        spec: the edit.
        image: the photograph's file.
        model: what the editor was loaded from; None is the shipped model.
    """
    said = {name: getattr(spec, name) for name in type(spec).model_fields if name in spec.model_fields_set}
    usual = {name: info.default for name, info in type(spec).model_fields.items()}
    given = {name: value for name, value in said.items() if name == "target" or value != usual[name]}
    mask = isinstance(spec.mask, GivenMask)
    if mask:
        given["mask"] = spec.mask.model_dump()  # type: ignore[union-attr]
    inner = "".join(f"    {name}={value!r},\n" for name, value in given.items())
    loaded = "" if model is None else repr(model)
    beside = ', mask="mask.png"' if mask else ""
    return (
        "import zeroshift\n\n"
        f"editor = zeroshift.load({loaded})\n"
        f"spec = zeroshift.EditSpec(\n{inner})\n"
        f"result = editor.edit({image!r}, spec{beside})\n"
        f'zeroshift.save_image(result.image, "{Path(image).stem}-edited.png", recipe=result.recipe)\n'
    )
