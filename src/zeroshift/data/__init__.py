"""Folders of captioned pictures."""

from zeroshift.data.captioned import CaptionedFolder, CaptionedPicture, labelled, load_pictures

__all__ = ["CaptionedFolder", "CaptionedPicture", "labelled", "load_pictures"]
