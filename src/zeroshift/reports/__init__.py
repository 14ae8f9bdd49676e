"""Reports about a part of the package: what it does to one photograph, in figures and pictures."""
