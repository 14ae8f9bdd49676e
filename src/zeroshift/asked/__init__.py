"""What is asked of an edit: in arguments, as data, checked, and as a request that a model understands."""
