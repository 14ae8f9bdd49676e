"""Options as frozen types, and what is said of wrong ones."""
