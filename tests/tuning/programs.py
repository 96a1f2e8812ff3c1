"""Programs of their own: forked, as soon as they are asked for, from one that has imported Keras.

To import it takes longer than most of what they do. They are what a shell would start: each leads a
session, starts a server of processes of its own, and ends as Python ends.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any


def search_here(folder: str, workers: int) -> None:
    """Runs the tests' usual search, with processes of its own."""
    from tests.tuning.conftest import OPTIONS, SPACE, small_data
    from tuning import search

    search(small_data(), directory=folder, space=SPACE, workers=workers, **OPTIONS)


def kerastuner_member(folder: str) -> None:
    """Is KerasTuner's chief or one of its workers, as the environment says."""
    import keras_tuner
    from keras_tuner.src.distribute import oracle_chief

    from tests.standin import standin_classifier
    from tests.tuning.conftest import SIZE, small_data
    from tuning import CrackHyperModel, SearchSpace

    # The chief looks every 20 seconds whether all workers have gone.
    oracle_chief.time = types.SimpleNamespace(sleep=lambda seconds: time.sleep(0.1))
    space = SearchSpace(unfreeze_depth=0)
    hypermodel = CrackHyperModel(
        SIZE, classifier=standin_classifier, epochs=1, strength=0, space=space
    )
    tuner = keras_tuner.RandomSearch(
        hypermodel, "val_loss", max_trials=2, seed=1, directory=folder, project_name="chief"
    )
    data = small_data()
    tuner.search(data.train, validation_data=data.validation, verbose=0)


PROGRAMS: dict[str, Callable[..., None]] = {
    each.__name__: each for each in (search_here, kerastuner_member)
}


class Programs:
    """Starts programs and tells how they ended; imports go on while the caller does."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-c", "from tests.tuning.programs import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            start_new_session=True,
        )

    def start(
        self, name: str, log: Path, env: dict[str, str] | None = None, **arguments: Any
    ) -> int:
        """Starts a program; returns the number of its process, group and session.

        Args:
            name: One of `PROGRAMS`.
            log: Where it writes what it shows.
            env: Changes of its environment.
            **arguments: The program's.
        """
        pid = self._ask(name=name, log=str(log), env=env or {}, arguments=arguments)
        assert pid is not None
        return pid

    def poll(self, pid: int) -> int | None:
        """Returns a program's exit code, negative for a signal; None while it runs."""
        return self._ask(poll=pid)

    def wait(self, pid: int, seconds: float) -> int:
        """Waits for a program to end; returns its exit code. Fails when it goes on for longer."""
        end = time.monotonic() + seconds
        while (code := self.poll(pid)) is None:
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.02)
        return code

    def kill(self, pid: int) -> None:
        """Kills a program that runs."""
        if self.poll(pid) is None:
            os.kill(pid, signal.SIGKILL)

    def __enter__(self) -> "Programs":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.kill()  # to take Keras apart would take seconds
        self._server.communicate()

    def _ask(self, **request: Any) -> int | None:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())


def serve() -> None:
    """Is the process that programs are forked from, and each of those."""
    for name in ("crackdet.preloaded", "tests.tuning.conftest", "tuning.searching"):
        importlib.import_module(name)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    ended: dict[int, int] = {}
    for line in sys.stdin:
        request = json.loads(line)
        if pid := request.get("poll"):
            if pid not in ended and (found := os.waitpid(pid, os.WNOHANG))[0]:
                ended[pid] = os.waitstatus_to_exitcode(found[1])
            answer = ended.get(pid)
        elif not (answer := os.fork()):
            _become(request["log"], request["env"])
            return PROGRAMS[request["name"]](**request["arguments"])
        print(json.dumps(answer), flush=True)
    return None


def _become(log: str, env: dict[str, str]) -> None:
    """Makes a fork a program that a shell has started with its output in a file."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    for ours, theirs in ((0, nothing), (1, written), (2, written)):
        os.dup2(theirs, ours)
    os.environ.update(env)
