"""Who may import whom."""

import ast
import re
import subprocess
import sys
from collections.abc import Set
from functools import cache
from pathlib import Path

import pytest

import zeroshift

ROOT = Path(zeroshift.__file__).parent
FILES = sorted(path for path in ROOT.rglob("*.py") if "shipped" not in path.relative_to(ROOT).parts)
WINGS = {"miniature", "cost", "evaluation", "reports", "bench", "distillation"}
"""what the core never imports, and shells do: the shipped model's own, counting, scores, reports, students and so on"""
SHELLS = {"__main__", "cli", "ui", "service", "batch"}
OUTSIDE = WINGS | SHELLS
CORE_IMPORTS = {"torch", "numpy", "PIL", "pydantic", "pydantic_core", "safetensors", "huggingface_hub", "psutil", "cv2"}
BACKBONE_IMPORTS = CORE_IMPORTS | {"accelerate", "diffusers", "transformers"}
ADAPTERS = {
    "cache.py": {"platformdirs"},
    "captioning/blip.py": {"transformers"},
    "generators/endpoint.py": {"httpx2", "openai"},
    "generators/punctual.py": {"httpx2", "openai"},
    "generators/language_model.py": {"transformers"},
    "grammar.py": {"inflect"},
    "masks/segmenting.py": {"transformers"},
    "masks/segmenting_onnx.py": {"onnxruntime"},
}
"""files that make one library's things the core's, and that library"""
ALLOWED_BETWEEN_SHELLS = {
    ("__main__", "cli"),  # python -m zeroshift
    ("ui", "cli"),  # the page writes command lines, which only the command line can spell
    ("ui", "service"),  # the page has the service's doorkeeper, and nothing else of it
}
DOORKEEPER = {"zeroshift.service.security", "zeroshift.service.refusals"}
COMMANDS = {
    "miniature/data/screened.py",
    *(
        f"miniature/training/{name}.py"
        for name in ("average", "classifier", "critic", "finder", "presence", "restorer", "segmenter")
    ),
}
"""command lines of their own"""
PARTS_READ = ("unet", "classifier", "finder", "segmenter", "restorer")
FACE = {"loading.py": {"miniature"}}
"""the one door: the Python face opens the shipped model's captioner, inside a function and only where there is one"""


def imported(tree: ast.AST) -> set[str]:
    """Return the dotted names of all modules that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            # a name may be a module of the package itself
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@cache
def imports(path: Path) -> frozenset[str]:
    """Return what a file imports, wherever in it."""
    return frozenset(imported(ast.parse(path.read_text(encoding="utf-8"))))


@cache
def first_imports(path: Path) -> frozenset[str]:
    """Return what importing a file imports."""
    return frozenset(imported(at_import_time(ast.parse(path.read_text(encoding="utf-8")))))


def at_import_time(tree: ast.Module) -> ast.Module:
    """Return the file without its functions' bodies and without what only type checkers read."""
    kept: list[ast.stmt] = []
    for node in tree.body:
        checked = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        if not checked and not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            kept.append(node)
    return ast.Module(kept, [])


def part_of(path: Path) -> str:
    """Return the folder or module at the top of the package that ``path`` lies in."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def own(names: Set[str]) -> set[str]:
    """Return which top-level parts of the package are imported."""
    return {name.split(".")[1] for name in names if name.startswith("zeroshift.")}


def foreign(names: Set[str]) -> set[str]:
    tops = {name.split(".")[0] for name in names}
    return tops - {"zeroshift"} - set(sys.stdlib_module_names)


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_there_are_files_to_look_at():
    assert {"diffusion/schedule.py", "backbones/unet.py", "methods/pix2pix_zero.py"} <= {named(path) for path in FILES}


@pytest.mark.parametrize("path", [p for p in FILES if part_of(p) not in OUTSIDE], ids=named)
def test_core_imports(path: Path):
    """The core knows a handful of libraries, diffusers only in ``backbones/``, no shell and no wing."""
    names = imports(path)
    known = BACKBONE_IMPORTS if part_of(path) == "backbones" else CORE_IMPORTS | ADAPTERS.get(named(path), set())
    assert foreign(names) <= known
    assert own(names) & OUTSIDE == FACE.get(named(path), set())
    assert not own(first_imports(path)) & OUTSIDE


@pytest.mark.parametrize("path", [p for p in FILES if part_of(p) not in SHELLS], ids=named)
def test_no_flags_outside_the_command_line(path: Path):
    """Sentences name options as Python does, `guidance_scale`, and shells put their own spelling there."""
    strings = (n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.Constant))
    flags = [n.value for n in strings if isinstance(n.value, str) and re.search(r"(?<![`\w-])--[a-z]", n.value)]
    assert not flags or named(path) in COMMANDS


@pytest.mark.parametrize("path", [p for p in FILES if part_of(p) in WINGS], ids=named)
def test_wings_import_no_shell(path: Path):
    assert not own(imports(path)) & SHELLS


@pytest.mark.parametrize("path", [p for p in FILES if part_of(p) in SHELLS], ids=named)
def test_shells_do_not_import_each_other(path: Path):
    """Except the command line, whose commands import what they run when they run it."""
    shell = part_of(path)
    names = first_imports(path) if shell == "cli" else imports(path)
    others = (own(names) & SHELLS) - {shell}
    assert {other for other in others if (shell, other) not in ALLOWED_BETWEEN_SHELLS} == set()


@pytest.mark.parametrize("path", [p for p in FILES if part_of(p) == "ui"], ids=named)
def test_the_page_has_the_doorkeeper_alone_of_the_service(path: Path):
    """The rest of the service needs libraries that zeroshift[ui] does not bring."""
    names = imports(path)
    assert {name.rpartition(".")[0] for name in names if name.startswith("zeroshift.service.")} <= DOORKEEPER


@pytest.mark.parametrize("path", [p for p in FILES if part_of(p) == "evaluation"], ids=named)
def test_scores_know_no_method(path: Path):
    """Pictures are scored whatever made them, so that other tools' edits can be."""
    assert own(imports(path)) <= {"evaluation", "image", "files", "extras"}


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a fresh interpreter has after ``statement``."""
    return set(printed_by(f"import sys\n{statement}\nprint(*sys.modules)").split())


def printed_by(script: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout


def test_importing_the_package_loads_nothing_heavy():
    loaded = loaded_by("import zeroshift")
    assert "zeroshift" in loaded
    assert not loaded & {"torch", "numpy", "PIL", "pydantic", "diffusers", "transformers", "rich", "cyclopts"}
    assert not loaded & {f"zeroshift.{part}" for part in OUTSIDE}


def test_the_core_loads_no_shell():
    loaded = loaded_by("import zeroshift; zeroshift.load")
    assert "zeroshift.running.translate" in loaded
    assert not loaded & {f"zeroshift.{part}" for part in OUTSIDE}
    assert not loaded & {"cyclopts", "lightning", "gradio", "ray", "torchmetrics", "diffusers", "torchvision"}


@pytest.mark.slow
def test_loading_a_checkpoint_reads_no_classifier(checkpoint: Path):
    """A checkpoint without one needs nothing of the shipped model's, whose own is read at the first caption."""
    loaded = loaded_by(f"import zeroshift; zeroshift.load({str(checkpoint)!r}, device='cpu')")
    assert "diffusers" in loaded
    assert "zeroshift.miniature" not in loaded
    script = f"""
import sys, zeroshift
opened = set()
sys.addaudithook(lambda event, of: opened.add(str(of[0])) if event == "open" else None)
def parts():
    return [part for part in {PARTS_READ} if any(f"shipped/{{part}}/config" in path for path in opened)]
editor = zeroshift.load(device="cpu")
print(*parts())
editor.see({str(Path(__file__).parents[1] / "examples/cat.png")!r})
print(*parts())
"""
    assert printed_by(script).splitlines() == ["unet", "unet classifier finder"]


def test_torchvision_is_nowhere():
    for path in FILES:
        assert "torchvision" not in foreign(imports(path)), named(path)
