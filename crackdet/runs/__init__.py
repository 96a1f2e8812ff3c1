"""A run is a folder: the names of its files, its record, its timings, its tables. No Keras."""

from crackdet.runs.record import run_record, write_config

__all__ = ["run_record", "write_config"]
