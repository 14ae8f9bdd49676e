"""What comes with the package's extras."""


def lacking(extra: str) -> str:
    """What to do where something of an ``extra`` is not installed: the end of a sentence."""
    return f'install the extra {extra} (in a clone: pip install -e ".[{extra}]" -c constraints.txt)'
