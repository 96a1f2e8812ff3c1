import json

import pytest

from crackdet.errors import CrackdetError
from tests.tuning.conftest import Recorder
from tuning.engine import attempt
from tuning.oracles import TUNERS


def test_attempt_returns_the_numbers():
    outcome = attempt(lambda: ({"val_loss": 1, "val_accuracy": 0.5}, 3), "val_loss")
    assert not outcome.failed
    assert outcome.metrics == {"val_loss": 1.0, "val_accuracy": 0.5}
    assert outcome.epochs == 3


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_objective_that_is_no_number_fails_the_trial(value):
    outcome = attempt(lambda: ({"val_loss": value}, 3), "val_loss")
    assert outcome.failed
    assert "val_loss is" in outcome.error
    assert outcome.metrics == {}


def test_an_exception_fails_the_trial_with_its_traceback():
    def train():
        raise KeyError("two\nlines")

    outcome = attempt(train, "val_loss")
    assert outcome.error.startswith("KeyError: ")
    assert "\n" not in outcome.error
    assert "in train" in outcome.traceback


def test_ctrl_c_is_no_failure_of_the_trial():
    def train():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt(train, "val_loss")


def test_three_failures_in_a_row_stop_the_search_with_a_sentence(trials):
    with pytest.raises(CrackdetError, match=r"trials 2, 3 and 4 failed .*no luck in 4.*error.txt"):
        trials("random", fails={"0", "2", "3", "4"})


def test_a_stopped_search_goes_on_once_the_cause_is_mended(trials, tmp_path):
    journal = tmp_path / "journal.jsonl"
    with pytest.raises(CrackdetError):
        trials("random", journal=journal, fails={"2", "3", "4"})
    found = trials("random", journal=journal)
    assert [each.task.trial for each in found] == [str(number) for number in range(8)]
    assert [each.outcome.failed for each in found] == [number in (2, 3, 4) for number in range(8)]


# After a start, after an end, and half-way through a line; the Bayesian oracle takes its time.
CUTS = {tuner: (0, 1, 6, 7, 11, 12, 16) for tuner in TUNERS} | {"bayesian": (12,)}


@pytest.mark.parametrize("tuner", TUNERS)
def test_a_search_cut_off_anywhere_ends_as_an_undisturbed_one(trials, tmp_path, tuner):
    whole = tmp_path / "whole.jsonl"
    expected = trials(tuner, journal=whole, fails={"2"})
    lines = whole.read_bytes().splitlines(keepends=True)
    assert len(lines) == 16
    for cut in CUTS[tuner]:
        journal = tmp_path / f"cut{cut}.jsonl"
        journal.write_bytes(b"".join(lines[:cut]) + b"".join(lines[cut : cut + 1])[:9])
        watcher = Recorder()
        found = trials(tuner, journal=journal, fails={"2"}, watcher=watcher)
        assert [(t.task, t.outcome.metrics, t.outcome.error) for t in found] == [
            (t.task, t.outcome.metrics, t.outcome.error) for t in expected
        ]
        # Finished trials are not run again, the one that was cut off is.
        assert watcher.replayed == [str(number) for number in range(cut // 2)]
        assert watcher.begun == [str(number) for number in range(cut // 2, 8)]
        assert watcher.ended == found


def test_the_journal_of_another_search_is_refused(trials, tmp_path):
    journal = tmp_path / "journal.jsonl"
    journal.write_text(json.dumps({"event": "start", "trial": "7", "values": {}}) + "\n")
    with pytest.raises(CrackdetError, match="does not fit"):
        trials("random", journal=journal)


def test_what_the_journal_says_counts_where_the_oracle_would_say_otherwise(trials, tmp_path):
    journal = tmp_path / "journal.jsonl"
    trials("random", journal=journal, max_trials=4)
    lines = [json.loads(line) for line in journal.read_text().splitlines()][:5]
    lines[4]["values"]["dropout"] += 1e-9  # as another version of Python might
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = trials("random", journal=journal, max_trials=4)
    assert found[2].task.values == lines[4]["values"]
