"""Folders of captioned pictures."""

from zeroshift.data.captioned import CaptionedFolder, CaptionedPicture, load_pictures

__all__ = ["CaptionedFolder", "CaptionedPicture", "load_pictures"]
