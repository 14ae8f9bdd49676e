"""Where a photograph may change: masks that are given or found, and what keeps all else."""
