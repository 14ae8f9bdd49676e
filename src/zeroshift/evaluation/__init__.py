"""Figures of models and of edits."""
