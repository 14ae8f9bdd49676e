"""How much memory an edit takes, counted before it is made, and how many pictures there is room for."""
