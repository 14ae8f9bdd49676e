"""The cost of an edit: network calls and floating-point operations, counted, and what the papers' code costs."""
