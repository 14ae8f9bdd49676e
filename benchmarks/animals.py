"""What measurements of edits of one animal into another are asked for: pictures, words, methods, model."""

import argparse
from pathlib import Path

from zeroshift.methods import METHODS


def parser(name: str) -> argparse.ArgumentParser:
    """The command line of ``python -m benchmarks.NAME``: a folder of photographs and two animals."""
    made = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}")
    made.add_argument("pictures", type=Path)
    made.add_argument("source")
    made.add_argument("target")
    made.add_argument("--model", type=Path, metavar="FOLDER", help="another model than the shipped one")
    return made


def by_methods(name: str) -> argparse.ArgumentParser:
    """The same with the methods that are measured; all by default."""
    made = parser(name)
    made.add_argument("--methods", nargs="+", default=[method.name for method in METHODS], metavar="NAME")
    return made
