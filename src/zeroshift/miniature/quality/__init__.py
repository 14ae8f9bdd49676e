"""Figures of a small text-to-image model, each with its aim."""
