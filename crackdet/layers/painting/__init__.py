"""What the painting layers share: random numbers of each image, noise fields, curves.

All of it is written for a batch at once in `keras.ops`, so that a GPU paints as well as a CPU, and
from an image's own key, so that an image is painted alike on every backend and in every batch.
"""
