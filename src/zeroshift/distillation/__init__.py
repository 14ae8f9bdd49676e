"""Distillation: an edit as pairs of pictures, and a feed-forward network that learns it from them.

The last contribution of pix2pix-zero (Parmar et al., SIGGRAPH 2023, section 5), whose code was never released.
"""
