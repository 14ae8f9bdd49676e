"""Plain implementations of what the authors' codes do, and their cost and time against zeroshift's."""
