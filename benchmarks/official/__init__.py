"""The authors' procedures, each written plainly from its description: what they compute, with what they waste.

Attention is written out wherever the authors' code does so itself; what it leaves to its library runs as that of today
does, fused, although some pin versions that had no fused attention yet.

Every one is a generator: it yields the name of the unit of work that it has just done and returns the edited latent.
``units`` says how many of each there are. Nothing of zeroshift is used.
"""
