"""Families of distractors, the three primitives they are painted with, how these are laid on."""
