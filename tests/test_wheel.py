"""The built wheel carries the shipped model and edits from another folder."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from zeroshift.backbones.checkpoint import SHIPPED

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)], cwd=ROOT, check=True)
    (built,) = out.glob("*.whl")
    return built


def test_every_file_of_the_model_is_in_the_wheel(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = [path for path in SHIPPED.rglob("*") if path.is_file()]
    assert len(shipped) > 10
    missing = [path for path in shipped if f"zeroshift/{path.relative_to(SHIPPED.parent).as_posix()}" not in names]
    assert not missing
    assert sum(path.stat().st_size for path in shipped) <= 40e6


@pytest.mark.slow
def test_the_installed_wheel_edits_from_another_folder(wheel, tmp_path):
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--target",
        str(site),
        str(wheel),
    ]
    subprocess.run(install, check=True)
    (elsewhere / "cat.png").write_bytes((ROOT / "examples/cat.png").read_bytes())
    command = [sys.executable, "-c", "from zeroshift.cli.main import main; main()"]
    options = [
        "edit",
        "cat.png",
        "--source",
        "cat",
        "--target",
        "dog",
        "--steps",
        "2",
        "--method",
        "pix2pix-zero",
        "--sentences",
        "10",
        "-o",
        "dog.png",
    ]
    environment = {**os.environ, "PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"}
    done = subprocess.run([*command, *options], cwd=elsewhere, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (elsewhere / "dog.png").is_file()
    where = [sys.executable, "-c", "import zeroshift; print(zeroshift.__file__)"]
    assert str(site) in subprocess.run(where, cwd=elsewhere, env=environment, capture_output=True, text=True).stdout
