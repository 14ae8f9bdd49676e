"""What every method stands on: the port to a checkpoint, noise levels, prompts, layers, trajectories."""
