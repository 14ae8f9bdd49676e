"""An edit as a command line: what somebody would type to have the same."""

from collections.abc import Iterator, Mapping
from shlex import join

from zeroshift.asked.data import GivenMask
from zeroshift.asked.edits import EditSpec
from zeroshift.cli.flags import Flag, flags_of
from zeroshift.methods import by_name
from zeroshift.options.errors import OptionError
from zeroshift.presets import is_list

_WORDS = ("source", "target", "prompt")
_PHOTOGRAPH = ("fit", "region", "size", "soft")
_SWITCHES = ("fast", "paper_defaults", "strict")


def command_line(spec: EditSpec, image: str, mask: str = "mask.png") -> str:
    """The words of ``zeroshift edit``, quoted for a shell, that ask for ``spec``.

    Args:
        spec: the edit; its edit direction is made of the words.
        image: the photograph's file.
        mask: file of the mask's picture, if the edit has one.

    Raises:
        OptionError: an option is none where the method has a value, which no flag can say.
    """
    return join(["zeroshift", "edit", image, *_words_of(spec, mask)])


def _words_of(spec: EditSpec, mask: str) -> Iterator[str]:
    for name in _WORDS:
        yield from _given(name, getattr(spec, name))
    if spec.method != EditSpec.model_fields["method"].default:
        yield from _given("method", spec.method)
    yield from _options(spec)
    for name in _SWITCHES:
        if getattr(spec, name):
            yield f"--{name.replace('_', '-')}"
    if spec.restore is not None:
        yield "--restore" if spec.restore else "--no-restore"
    if not spec.second_try:
        yield "--no-second-try"
    if spec.seed:
        yield from _given("seed", spec.seed)
    yield from where_words(spec, mask)
    if spec.detail:
        yield from _given("detail", spec.detail)


def where_words(spec: EditSpec, mask: str = "mask.png") -> Iterator[str]:
    """Yield the words that say where ``spec`` changes a photograph."""
    for name in _PHOTOGRAPH:
        yield from _given(name, getattr(spec, name))
    yield from _given("mask", mask if isinstance(spec.mask, GivenMask) else spec.mask)


def _given(name: str, value: object) -> Iterator[str]:
    """A flag with a value; nothing where there is none."""
    if value is not None:
        flag, text = f"--{name.replace('_', '-')}", str(value)
        yield from [f"{flag}={text}"] if text.startswith("-") else [flag, text]


def _options(spec: EditSpec) -> Iterator[str]:
    """The flags of nested options, the choices of kinds first: others depend on them."""
    flags = flags_of(by_name(spec.method), _kinds(spec.options))
    for flag in flags:
        if flag.several is not None and flag.name in spec.options:
            yield from _given(flag.name, ",".join(flag.several))
        elif flag.path[-1] == "kind" and (value := _found(spec.options, flag)) is not None:
            yield from _given(flag.name, value)
    for flag in flags:
        if flag.several is None and flag.path[-1] != "kind" and _is_there(spec.options, flag):
            yield from _flag(flag, _found(spec.options, flag))


def _flag(flag: Flag, value: object) -> Iterator[str]:
    if value is None:
        sentence = f"The command line cannot say that `{flag.name}` is none; take it from the Python example."
        raise OptionError(sentence, flag.path)
    if isinstance(value, bool):
        yield flag.spelled if value else f"--no-{flag.spelled[2:]}"
    elif is_list(value):
        for one in value:
            yield from _given(flag.name, one)
    else:
        yield from _given(flag.name, value)


def _kinds(options: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """The kinds of parts that options name."""
    found: dict[str, tuple[str, ...]] = {}
    for name, value in options.items():
        if isinstance(value, Mapping) and "kind" in value:
            found[name] = (str(value["kind"]),)
        elif is_list(value):
            found[name] = tuple(str(part["kind"]) for part in value if isinstance(part, Mapping))
    return found


def _part(options: Mapping[str, object], flag: Flag) -> Mapping[str, object]:
    """The nested options among which a flag's own stands."""
    part = options if len(flag.path) == 1 else options.get(flag.path[0], {})
    if is_list(part):
        part = next((one for one in part if isinstance(one, Mapping) and one.get("kind") == flag.path[1]), {})
    return part if isinstance(part, Mapping) else {}


def _is_there(options: Mapping[str, object], flag: Flag) -> bool:
    return flag.path[-1] in _part(options, flag)


def _found(options: Mapping[str, object], flag: Flag) -> object:
    return _part(options, flag).get(flag.path[-1])
