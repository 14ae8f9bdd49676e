"""Folders of captioned pictures."""

from zeroshift.miniature.data.captioned import (
    CaptionedFolder,
    CaptionedPicture,
    frequent,
    labelled,
    load_pictures,
    rows_of,
    with_coat,
)

__all__ = ["CaptionedFolder", "CaptionedPicture", "frequent", "labelled", "load_pictures", "rows_of", "with_coat"]
