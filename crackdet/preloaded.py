"""What a server of processes imports once, so that each of them starts with Keras in memory.

Importing Keras starts no thread that a fork would lose; a backend does with its first operation.
"""

import os
import warnings

from crackdet.keras_import import import_keras

# JAX warns of every fork, which is safe before its first operation.
warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import_keras()
