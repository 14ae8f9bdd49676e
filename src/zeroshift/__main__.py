"""``python -m zeroshift``."""

from zeroshift.cli.main import main

main()
