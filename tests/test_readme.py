"""What the README promises a stranger."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from zeroshift import loading
from zeroshift.image import read_recipe

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGE = (ROOT / "docs/python.md").read_text(encoding="utf-8")
SNIPPETS = [found for text in (README, PAGE) for found in re.findall(r"```python\n(.*?)```", text, re.DOTALL)]


def test_an_editing_command_stands_in_the_first_lines():
    assert any("make demo" in line for line in README.splitlines()[:15])
    assert len(README.splitlines()) <= 160


def test_the_plain_edit_runs(tmp_path, monkeypatch):
    """The first snippet, in fewer steps than the shipped model's presets have."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    presets = loading.presets_of
    monkeypatch.setattr(
        loading, "presets_of", lambda *of: {name: {**one, "steps": 2} for name, one in presets(*of).items()}
    )
    exec(SNIPPETS[0], {})
    assert read_recipe("dog.png")["options"]["steps"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("snippet", SNIPPETS, ids=range(len(SNIPPETS)))
def test_snippets_run(snippet, tmp_path):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    done = subprocess.run([sys.executable, "-c", snippet], cwd=tmp_path, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "dog.png").is_file()


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    missing = [link for link in links if not link.startswith("http") and not (ROOT / link).exists()]
    assert not missing


def test_commands_of_the_makefile_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?m)(?:^|`)make ([a-z]+)", README)) <= targets
