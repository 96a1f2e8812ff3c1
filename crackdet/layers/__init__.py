"""Keras layers for pictures of cracks, usable in any Keras model."""
