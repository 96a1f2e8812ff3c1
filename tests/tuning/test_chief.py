"""KerasTuner's own chief and workers run `CrackHyperModel` as they run any hypermodel."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from tests.tuning.conftest import SIZE, patches

PROGRAM = f"""
import sys
import keras_tuner
import numpy as np
from crackdet.data import CrackData
from tuning import CrackHyperModel, SearchSpace

parts = np.load(sys.argv[1])
data = CrackData.from_arrays(
    *[(parts[f"x{{i}}"], parts[f"y{{i}}"]) for i in range(3)], batch_size=12)
tuner = keras_tuner.RandomSearch(
    CrackHyperModel({SIZE}, alpha=0.35, weights=None, epochs=1, strength=0,
                    space=SearchSpace(unfreeze_depth=0)),
    "val_loss", max_trials=3, seed=1, directory=sys.argv[2], project_name="chief")
tuner.search(data.train, validation_data=data.validation, verbose=0)
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


@pytest.mark.slow
def test_a_chief_and_two_workers_share_a_search(tmp_path):
    parts = [patches(24, 1), patches(16, 2), patches(4, 3)]
    arrays = {f"{name}{i}": part[k] for i, part in enumerate(parts) for k, name in enumerate("xy")}
    np.savez(tmp_path / "parts.npz", **arrays)
    where = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": free_port()}
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "parts.npz"), str(tmp_path)]
    members = [
        subprocess.Popen(command, env={**os.environ, **where, "KERASTUNER_TUNER_ID": name})
        for name in ("chief", "tuner0", "tuner1")
    ]
    try:
        assert [member.wait(300) for member in members] == [0, 0, 0]
    finally:
        for member in members:
            member.kill()
    found = [json.loads(path.read_text()) for path in tmp_path.glob("chief/trial_*/trial.json")]
    assert [trial["status"] for trial in found] == ["COMPLETED"] * 3
    assert all(np.isfinite(trial["score"]) for trial in found)
