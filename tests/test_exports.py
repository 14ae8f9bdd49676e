"""The public names."""

import importlib
import pkgutil

import pytest

import zeroshift


@pytest.mark.parametrize("name", zeroshift.__all__)
def test_public_names_can_be_imported(name: str):
    value = getattr(zeroshift, name)
    assert value.__name__ == name and value.__module__.startswith("zeroshift.") and value.__doc__


def test_all_is_sorted_and_complete():
    assert list(zeroshift.__all__) == sorted(set(zeroshift.__all__))
    assert set(zeroshift.__all__) == set(zeroshift._HOME)


def test_star_import():
    names: dict[str, object] = {}
    exec("from zeroshift import *", names)
    assert set(zeroshift.__all__) <= set(names)


def test_unknown_names_are_errors():
    with pytest.raises(AttributeError, match="zeroshift has no attribute edti"):
        zeroshift.edti  # noqa: B018
    with pytest.raises(ImportError):
        exec("from zeroshift import edti")


@pytest.mark.parametrize("name", [m.name for m in pkgutil.iter_modules(zeroshift.__path__) if m.ispkg])
def test_all_of_every_folder_can_be_imported(name: str):
    if name in ("training", "ui", "serve", "batch", "distill"):
        pytest.skip("needs an extra")
    module = importlib.import_module(f"zeroshift.{name}")
    for public in getattr(module, "__all__", ()):
        assert hasattr(module, public), public


def test_version_is_that_of_the_package():
    from importlib.metadata import version

    assert zeroshift.__version__ == version("zeroshift")


def test_completion_offers_the_public_names():
    assert dir(zeroshift) == sorted([*zeroshift.__all__, "__version__"])
