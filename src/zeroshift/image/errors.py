"""The one error of pictures that cannot be read, framed or written."""


class ImageError(ValueError):
    """Say in one sentence what is wrong with a picture or its file, what was expected, and what to do."""
