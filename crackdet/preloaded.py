"""What a server of processes imports once, so that each of them starts with Keras in memory.

Importing Keras starts no thread that a fork would lose; a backend does with its first operation.
"""

import atexit
import os
import sys
import warnings

from crackdet.keras_import import import_keras
from crackdet.quiet import in_process_of_command

# JAX warns of every fork, which is safe before its first operation.
warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import_keras()
in_process_of_command()

# The server ends with the program that it serves, at once: to take Keras apart, as Python would
# first, takes seconds, for which the server would outlive a Ctrl-C. What it forks never comes here.
if any("multiprocessing.forkserver" in word for word in sys.orig_argv):
    atexit.register(os._exit, 0)
