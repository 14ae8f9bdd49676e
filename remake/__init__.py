"""Everything that depends on the shipped model, made again: presets, figures, pictures on the pages, a pinned edit."""
