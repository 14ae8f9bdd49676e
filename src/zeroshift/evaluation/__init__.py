"""Scores of any edits, whatever made them: they take pictures and know no method."""
