"""Data sets that crackdet packages for TensorFlow Datasets, and the grouping behind their splits."""
