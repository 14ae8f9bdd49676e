"""A small fixed comparison that needs nothing but the package: it fails when edits get worse, or other."""
