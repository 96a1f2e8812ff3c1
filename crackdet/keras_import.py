"""Imports Keras without what TensorFlow prints that says nothing to a user of crackdet."""

import logging
import os
import sys
import tempfile


def import_keras() -> None:
    """Imports Keras and its backend; what they print on stderr is shown only if that fails.

    TensorFlow 2.21 logs two lines of its start-up before it reads TF_CPP_MIN_LOG_LEVEL, past
    Python's sys.stderr, so the file descriptor itself is turned aside for the import.
    """
    # Warnings of TensorFlow's and TFDS's Python sides: retracing, folders of unfinished builds.
    for name in ("tensorflow", "absl"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if "keras" in sys.modules:
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            import keras  # noqa: F401
        except BaseException:
            aside.seek(0)
            os.write(stderr, aside.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
