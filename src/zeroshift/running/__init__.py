"""How edits run: pictures framed and grouped, inverted and sampled, in batches."""
