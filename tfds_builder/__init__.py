"""Data sets that crackdet packages for TFDS, and the grouping behind their splits."""
