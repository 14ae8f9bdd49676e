"""Captioners: from a picture to a sentence, and from that sentence to an edit."""
