"""The pages under docs: every option of every method stands there with its default, and nothing that does not exist."""

import re
import shlex
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Literal, get_origin

import pytest

from tests.shell import call
from zeroshift.cli.flags import Flag, flags_of, of_kind
from zeroshift.methods import METHODS, Method
from zeroshift.options.fields import shown
from zeroshift.options.parts import parts_of

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.glob("*.md"), *DOCS.glob("methods/*.md")])
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
ROW = re.compile(r"^\| ((?:`--[a-z0-9-]+`(?:, )?)+) \| ([^|]*) \|", re.MULTILINE)
BENCHMARKS = {
    "--out",
    "--count",
    "--methods",
    "--repeats",
    "--steps",
    "--inner-steps",
    "--threads",
    "--parts",
    "--minutes",
    "--measure",
}
BENCHMARKS |= {"--splits", "--split", "--ways", "--masks", "--marks"}
BENCHMARKS |= {"--small", "--entries", "--again", "--cost", "--memory", "--pace", "--seconds", "--tiny"}
"""of ``python -m benchmarks`` and its modules"""
TRAINERS = {"--classifier"}
"""of ``python -m zeroshift.miniature.training.finder``"""
PIP = {"--index-url"}
DOCKER = {"--build-arg", "--gpus", "--now", "--read-only", "--rm", "--tmpfs"}
"""of docker and systemctl"""
PARTS = parts_of(METHODS[0])
KINDS = [(part, kind) for part in PARTS for kind in part.kinds]
Defaults = Mapping[str, Flag]


def page_of(method: type[Method]) -> Path:
    return DOCS / "methods" / f"{method.name}.md"


def named_ids(value: object) -> str | None:
    return value.relative_to(ROOT).as_posix() if isinstance(value, Path) else getattr(value, "name", None)


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def links(page: Path) -> list[str]:
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", text_of(page)) if not link.startswith("http")]


def options_on(page: Path) -> set[str]:
    return set(OPTION.findall(text_of(page)))


def heading(line: str) -> str:
    """Return what a link to a heading ends with."""
    return re.sub(r"[^\w\- ]", "", line.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("method", METHODS, ids=named_ids)
def test_every_option_of_a_method_is_on_its_page_or_one_that_it_links_to(method):
    linked = [page_of(method).parent / link.partition("#")[0] for link in links(page_of(method))]
    named = options_on(page_of(method)).union(*(options_on(page) for page in linked if page.suffix == ".md"))
    assert not [flag.spelled for flag in flags_of(method) if flag.spelled not in named]


@pytest.mark.parametrize(("part", "kind"), KINDS, ids=[f"{part.name}-{kind}" for part, kind in KINDS])
def test_every_kind_and_its_options_are_on_a_page(part, kind):
    pages = [page for page in PAGES if f"`{kind}`" in text_of(page) or f"--{part.name} {kind}" in text_of(page)]
    named = set[str]().union(*(options_on(page) for page in PAGES))
    assert pages
    assert not [flag.spelled for flag in of_kind(part, kind) if flag.spelled not in named]


@pytest.mark.parametrize("page", PAGES, ids=named_ids)
def test_options_on_a_page_exist(page):
    texts = [re.sub(r"--\[no-\](\S+)", r"--\1 --no-\1", text.read_text()) for text in DOCS.glob("help/*.txt")]
    helped = set[str]().union(*(OPTION.findall(text) for text in texts))
    known = (
        helped | {f.spelled for part, kind in KINDS for f in of_kind(part, kind)} | BENCHMARKS | TRAINERS | PIP | DOCKER
    )
    assert not options_on(page) - known


def rows(text: str) -> Iterator[tuple[str, str]]:
    """Yield option and default of every row of a table that gives a default for each of its options."""
    for names, defaults in ROW.findall(text):
        flags, values = OPTION.findall(names), re.split(r", (?![^`]*`(?:,|$))|(?<=`), ", defaults.strip())
        if len(flags) == len(values):
            yield from zip(flags, values, strict=True)


def wrong(text: str, flags: Defaults, defaults: Mapping[str, object]) -> list[str]:
    """Return the rows whose default is a number or one of several names, and another one."""
    found = []
    for option, said in rows(text):
        if (flag := flags.get(option)) is None:
            continue
        default = defaults[option]
        if isinstance(default, int | float) and not isinstance(default, bool):
            right = re.fullmatch(r"[\d.e-]+", said) is not None and float(said) == default
        else:
            right = get_origin(flag.hint) is not Literal or said.strip("`") == default
        if not right:
            found.append(f"{option}: {said}, not {shown(default)}")
    return found


@pytest.mark.parametrize("method", METHODS, ids=named_ids)
def test_defaults_on_a_methods_page_are_its_defaults(method):
    made = method()
    values = {
        flag.spelled: getattr(made if len(flag.path) == 1 else getattr(made, flag.path[0]), flag.path[-1])
        for flag in flags_of(method)
    }
    assert not wrong(text_of(page_of(method)), {flag.spelled: flag for flag in flags_of(method)}, values)


@pytest.mark.parametrize(("part", "kind"), KINDS, ids=[f"{part.name}-{kind}" for part, kind in KINDS])
def test_defaults_in_the_section_of_a_kind_are_its_defaults(part, kind):
    page = DOCS / ("extras.md" if part.several else f"{part.name}s.md")
    if part.name in ("inversion", "extras"):
        (section,) = re.findall(rf"^## {kind}$(.*?)(?=^## |\Z)", text_of(page), re.MULTILINE | re.DOTALL)
        flags = {flag.spelled: flag for flag in of_kind(part, kind)}
        assert set(flags) <= set(OPTION.findall(section))
        assert not wrong(section, flags, {name: getattr(part.kinds[kind](), f.path[-1]) for name, f in flags.items()})


@pytest.mark.parametrize("page", PAGES, ids=named_ids)
def test_links_lead_somewhere(page):
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        if anchor:
            assert anchor in {heading(line) for line in re.findall(r"^#+ (.*)", text_of(target), re.MULTILINE)}, link


@pytest.mark.parametrize("method", METHODS, ids=named_ids)
def test_a_page_has_reference_picture_cost_and_limits(method):
    text = text_of(page_of(method))
    assert re.search(r"arxiv\.org/abs/\d{4}\.\d{5}", text) and "## Limits" in text and "## Options" in text
    assert f"]({method.name}.png)" in text


@pytest.mark.parametrize("page", PAGES, ids=named_ids)
def test_commands_on_a_page_are_understood(page, capsys, tmp_path, monkeypatch):
    """Each edit gets as far as looking for its photograph, after every option was checked."""
    monkeypatch.chdir(tmp_path)
    blocks = "\n".join(re.findall(r"^```\n(.*?)^```", text_of(page), re.MULTILINE | re.DOTALL)).replace("\\\n", " ")
    for tokens in re.findall(r"^(?:\.venv/bin/)?zeroshift (edit .*)$", blocks, re.MULTILINE):
        done = call(capsys, *shlex.split(tokens, comments=True))
        assert "does not exist" in done.err or "There is no edit direction" in done.err, (tokens, done.err)
