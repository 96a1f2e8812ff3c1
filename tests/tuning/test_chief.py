"""KerasTuner's own chief and workers run `CrackHyperModel` as they run any hypermodel."""

import json
import math
import socket

import pytest


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


@pytest.mark.slow
def test_a_chief_and_two_workers_share_a_search(programs, tmp_path):
    where = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": free_port()}
    logs = {name: tmp_path / f"{name}.txt" for name in ("chief", "tuner0", "tuner1")}
    members = [
        programs.start(
            "kerastuner_member",
            log,
            where | {"KERASTUNER_TUNER_ID": name},
            folder=str(tmp_path),
        )
        for name, log in logs.items()
    ]
    try:
        codes = [programs.wait(member, 300) for member in members]
    finally:
        for member in members:
            programs.kill(member)
    assert codes == [0, 0, 0], [log.read_text() for log in logs.values()]
    found = [json.loads(path.read_text()) for path in tmp_path.glob("chief/trial_*/trial.json")]
    assert [trial["status"] for trial in found] == ["COMPLETED"] * 2
    assert all(math.isfinite(trial["score"]) for trial in found)
