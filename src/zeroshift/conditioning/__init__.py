"""What the two branches are told at every step."""
