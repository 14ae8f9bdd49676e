"""The command line: one module per verb, imported when its verb is called."""
