import dataclasses
import json
import threading
import time
from collections import deque
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor

import pytest

from crackdet.errors import CrackdetError
from tests.tuning.conftest import Inline, Recorder, bowl
from tuning import SearchSpace
from tuning.halving import Rung
from tuning.oracles import TUNERS
from tuning.scheduler import next_job
from tuning.tasks import Outcome, Task, attempt

DEEP = SearchSpace(unfreeze_depth=(1, 6))  # one trial a job, in their order
LINE = SearchSpace(0.3, (1e-5, 1e-2), 4)


def few(tuner):
    """Options of a search of 8 trials; of 5 in one dimension by the oracle that takes its time."""
    return {"space": LINE, "max_trials": 5} if tuner == "bayesian" else {"max_trials": 8}


def by_trial(found):
    return {
        each.task.trial: (each.task, each.outcome.metrics, each.outcome.error) for each in found
    }


def test_attempt_returns_the_numbers_and_the_seconds():
    outcome = attempt(lambda: Outcome({"val_loss": 1.0, "val_accuracy": 0.5}, 3), "val_loss")
    assert not outcome.failed
    assert outcome.metrics == {"val_loss": 1.0, "val_accuracy": 0.5}
    assert outcome.epochs == 3
    assert outcome.seconds > 0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_objective_that_is_no_number_fails_the_trial(value):
    outcome = attempt(lambda: Outcome({"val_loss": value}, 3), "val_loss")
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
        trials("random", space=DEEP, fails={"0", "2", "3", "4"})


def test_a_stopped_search_goes_on_once_the_cause_is_mended(trials, tmp_path):
    journal = tmp_path / "journal.jsonl"
    with pytest.raises(CrackdetError):
        trials("random", space=DEEP, journal=journal, fails={"2", "3", "4"})
    found = trials("random", space=DEEP, journal=journal)
    assert [each.task.trial for each in found] == [str(number) for number in range(8)]
    assert [each.outcome.failed for each in found] == [number in (2, 3, 4) for number in range(8)]


@pytest.mark.parametrize("tuner", TUNERS)
def test_a_search_cut_off_anywhere_ends_as_an_undisturbed_one(trials, tmp_path, tuner):
    whole, options = tmp_path / "whole.jsonl", few(tuner) | {"fails": {"2"}}
    expected = trials(tuner, journal=whole, **options)
    lines = whole.read_bytes().splitlines(keepends=True)
    assert len(lines) == 2 * len(expected) == 2 * options["max_trials"]
    for cut in (7,) if tuner == "bayesian" else range(0, 16, 3):
        journal = tmp_path / f"cut{cut}.jsonl"
        journal.write_bytes(b"".join(lines[:cut]) + b"".join(lines[cut : cut + 1])[:9])
        ended = {e["trial"] for e in map(json.loads, lines[:cut]) if e["event"] == "end"}
        watcher = Recorder()
        found = trials(tuner, journal=journal, watcher=watcher, **options)
        assert by_trial(found) == by_trial(expected)
        # Finished trials are not run again, those that were cut off are.
        assert set(watcher.replayed) == ended
        assert sorted(watcher.begun) == sorted(set(by_trial(expected)) - ended)


def test_a_bayesian_search_of_two_workers_cut_off_ends_as_an_undisturbed_one(trials, tmp_path):
    """What runs at once is estimated from what has ended, not from an earlier proposal."""
    options = {"space": LINE, "workers": 2}
    whole = tmp_path / "whole.jsonl"
    expected = trials("bayesian", journal=whole, **options)
    lines = whole.read_bytes().splitlines(keepends=True)
    for cut in (10, 11, 13):
        journal = tmp_path / f"cut{cut}.jsonl"
        journal.write_bytes(b"".join(lines[:cut]))
        assert by_trial(trials("bayesian", journal=journal, **options)) == by_trial(expected)


@pytest.mark.parametrize("tuner", TUNERS)
def test_several_workers_lose_and_repeat_nothing(trials, tmp_path, tuner):
    def slow_at_times(task):
        time.sleep(0.02 * (int(task.trial) % 3))  # trials end in another order than they begin
        return bowl(task)

    runs, options = [], few(tuner)
    for run in ("one", "two"):
        with ThreadPoolExecutor(3) as executor:
            journal = tmp_path / f"{run}.jsonl"
            found = trials(
                tuner,
                journal=journal,
                train=slow_at_times,
                workers=3,
                executor=executor,
                **options,
            )
        assert sorted(by_trial(found)) == list(map(str, range(options["max_trials"])))
        assert len(by_trial(found)) == len(found)
        runs.append(by_trial(found))
    assert runs[0] == runs[1]
    if tuner in ("random", "grid"):
        assert runs[0] == by_trial(trials(tuner, journal=tmp_path / "single.jsonl"))


def test_no_more_jobs_at_once_than_workers(trials):
    running, most, lock = 0, 0, threading.Lock()

    def train(task):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1
        return bowl(task)

    with ThreadPoolExecutor(8) as executor:
        trials("random", train=train, workers=2, executor=executor, max_trials=12)
    assert most == 2


class Mortal(Inline):
    """Its processes die the first times that they run one trial."""

    def __init__(self, trial, times):
        self.trial, self.times = trial, times

    def submit(self, fn, tasks):
        if self.times and any(task.trial == self.trial for task in tasks):
            self.times -= 1

            def fn(tasks):
                raise BrokenExecutor("killed by SIGKILL")

        return super().submit(fn, tasks)


@pytest.mark.parametrize("tuner", TUNERS)
def test_a_trial_whose_process_dies_is_run_again(trials, tmp_path, tuner):
    options = few(tuner)
    expected = trials(tuner, journal=tmp_path / "whole.jsonl", **options)
    watcher = Recorder()
    found = trials(tuner, executor=Mortal("3", times=2), watcher=watcher, **options)
    assert by_trial(found) == by_trial(expected)
    assert watcher.dead.count("3") == 2
    # None lost, none counted twice.
    assert len(watcher.ended) == len(found) == options["max_trials"]


def test_a_job_whose_cause_is_mended_runs_again_and_counts_as_no_death(trials, tmp_path):
    """However often that is: three deaths would fail the trial."""
    asked = []

    def mended(error):
        asked.append(str(error))
        return "SIGKILL" in str(error)

    watcher = Recorder()
    found = trials(
        "random", space=DEEP, executor=Mortal("3", times=5), watcher=watcher, mended=mended
    )
    assert asked == ["killed by SIGKILL"] * 5
    assert watcher.dead == []
    assert watcher.begun.count("3") == 6
    expected = trials("random", space=DEEP, journal=tmp_path / "whole.jsonl")
    assert by_trial(found) == by_trial(expected)


def test_what_a_watcher_could_not_write_is_not_in_the_journal(trials, tmp_path):
    """So that the trial runs again, and its row is written in the end."""

    class FullDisk(Recorder):
        def finished(self, trial, *, replayed):
            if trial.task.trial == "2":
                raise CrackdetError("no space left")
            super().finished(trial, replayed=replayed)

    journal = tmp_path / "journal.jsonl"
    with pytest.raises(CrackdetError, match="no space left"):
        trials("random", space=DEEP, journal=journal, watcher=FullDisk())
    watcher = Recorder()
    trials("random", space=DEEP, journal=journal, watcher=watcher)
    assert watcher.replayed == ["0", "1"]
    assert watcher.begun[0] == "2"
    assert sorted(each.task.trial for each in watcher.ended) == list(map(str, range(8)))


def test_a_trial_that_always_takes_its_process_down_fails_in_the_end(trials):
    found = trials("random", space=SearchSpace(unfreeze_depth=1), executor=Mortal("3", times=99))
    failed = [each for each in found if each.outcome.failed]
    assert [each.task.trial for each in failed] == ["3"]
    assert failed[0].outcome.error == "its process died 3 times, the last time: killed by SIGKILL"


@pytest.mark.parametrize(
    ("workers", "expected"),
    [
        (1, [["0"], ["1", "3", "4", "6"], ["2"], ["5"]]),
        (2, [["2"], ["0"], ["1", "3", "4", "6"], ["5"]]),
    ],
)
def test_trials_of_the_head_alone_share_a_job(workers, expected):
    depths = (2, 0, 3, 0, 0, 0, 0)
    epochs = {5: {"tuner/epochs": 9}}
    tasks = [
        Task(str(n), {"unfreeze_depth": depth, **epochs.get(n, {})}, n)
        for n, depth in enumerate(depths)
    ]
    waiting, jobs = deque(tasks), []
    while waiting:
        jobs.append([task.trial for task in next_job(waiting, workers)])
    assert jobs == expected
    many = deque(Task(str(n), {"unfreeze_depth": 0}, n) for n in range(20))
    assert [len(next_job(many, workers)) for _ in range(2)] == [16, 4]


def test_a_trial_whose_process_died_takes_no_other_with_it():
    waiting = deque(Task(str(n), {"unfreeze_depth": 0}, n) for n in range(5))
    jobs = []
    while waiting:
        jobs.append([task.trial for task in next_job(waiting, 1, 16, {"0", "2"})])
    assert jobs == [["0"], ["1", "3", "4"], ["2"]]


def test_only_what_always_kills_its_process_fails(trials):
    space = SearchSpace(unfreeze_depth=0)
    found = trials("random", space=space, executor=Mortal("3", times=99))
    assert [each.task.trial for each in found if each.outcome.failed] == ["3"]
    assert len(found) == 8


def test_an_executor_that_a_death_has_broken_ends_the_search_with_a_sentence(trials):
    """Python's own pool of processes takes nothing more once one of them was killed."""

    class Pool(Inline):
        jobs = 0

        def submit(self, fn, /, *args, **kwargs):
            self.jobs += 1
            if self.jobs > 3:
                raise BrokenExecutor("a process was terminated")
            return super().submit(fn, *args, **kwargs)

    with pytest.raises(CrackdetError, match=r"no more trials: a process .* a new executor"):
        trials("random", space=DEEP, executor=Pool())
    assert len(trials("random", space=DEEP)) == 8


def test_weights_of_trials_are_not_kept_in_memory(trials):
    def train(task):
        return dataclasses.replace(bowl(task), files={"weights": b"megabytes"})

    watcher = Recorder()
    found = trials("random", train=train, watcher=watcher)
    assert all(each.outcome.files for each in watcher.ended)
    assert not any(each.outcome.files for each in found)


def test_a_job_that_stops_the_search_is_noted_whole(trials, tmp_path):
    journal, space = tmp_path / "journal.jsonl", SearchSpace(unfreeze_depth=0)
    with pytest.raises(CrackdetError, match="trials 1, 2 and 3 failed"):
        trials("random", space=space, fails={"1", "2", "3"}, journal=journal)
    assert journal.read_text().count('"event": "end"') == 8


RUNGS = (Rung(10, 8), Rung(40, 2), Rung(80, 1))


@pytest.mark.parametrize("tuner", ["random", "grid", "bayesian"])
def test_halving_takes_the_best_further(trials, tmp_path, tuner):
    options = few(tuner)
    count = options["max_trials"]
    options |= {"rungs": (Rung(10, count), *RUNGS[1:]), "journal": tmp_path / "halving.jsonl"}
    failing = f"{3:0{len(str(count + 2))}}"
    found = trials(tuner, fails={failing}, **options)
    tasks = {each.task.trial: each.task for each in found}
    loss = {each.task.trial: each.outcome.metrics.get("val_loss", 99) for each in found}
    assert loss[failing] == 99
    numbers = sorted(tasks)
    assert [tasks[trial].images for trial in numbers] == [10] * count + [40] * 2 + [80]
    first = sorted(numbers[:count], key=loss.get)
    assert [tasks[trial].values["tuner/trial_id"] for trial in numbers[-3:-1]] == first[:2]
    for trial, origin in zip(numbers[-3:-1], first[:2], strict=True):
        assert tasks[trial].seed == tasks[origin].seed
        assert tasks[trial].values["learning_rate"] == tasks[origin].values["learning_rate"]
    assert tasks[numbers[-1]].values["tuner/trial_id"] == first[0]
    again = trials(tuner, fails={failing}, **options)
    assert by_trial(again) == by_trial(found)


def test_halving_takes_no_trial_further_that_was_given_up(trials, tmp_path):
    whole = trials("random", rungs=RUNGS)
    best = whole[-1].task.values["tuner/trial_id"]

    def train(task):
        return dataclasses.replace(bowl(task), pruned=task.trial == best)

    journal = tmp_path / "pruned.jsonl"
    found = trials("random", rungs=RUNGS, train=train, journal=journal)
    further = [each.task.values["tuner/trial_id"] for each in found[8:]]
    assert len(further) == 3
    assert best not in further
    again = trials("random", rungs=RUNGS, train=train, journal=journal)
    assert by_trial(again) == by_trial(found)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_fails_when_it_is_taken_further_is_replaced_by_the_next_best(
    trials, tmp_path, workers
):
    """ "08" and "09" are the second round, and the last one goes to what is left of it."""
    whole = trials("random", rungs=RUNGS, journal=tmp_path / "whole")
    loss = {each.task.trial: each.outcome.metrics["val_loss"] for each in whole[:8]}
    first = sorted(loss, key=loss.get)
    journal = tmp_path / "failing.jsonl"
    with ThreadPoolExecutor(workers) as executor:
        options = {"rungs": RUNGS, "fails": {"08"}, "journal": journal}
        found = trials("random", workers=workers, executor=executor, **options)
    tasks = {each.task.trial: each.task for each in found}
    assert sorted(tasks) == [f"{number:02}" for number in range(12)]
    further = [
        (tasks[f"{n:02}"].images, tasks[f"{n:02}"].values["tuner/trial_id"]) for n in range(8, 12)
    ]
    assert further == [(40, first[0]), (40, first[1]), (40, first[2]), (80, first[1])]
    again = trials("random", **options)
    assert by_trial(again) == by_trial(found)


def test_a_round_ends_where_no_trial_is_left_to_replace_one(trials, tmp_path):
    rungs = (Rung(10, 2), Rung(40, 1))
    found = trials("random", rungs=rungs, max_trials=2, space=DEEP, fails={"2", "3"})
    assert [each.outcome.failed for each in found] == [False, False, True, True]


def test_halving_is_the_same_with_two_workers(trials, tmp_path):
    expected = trials("random", rungs=RUNGS)
    with ThreadPoolExecutor(2) as executor:
        found = trials("random", rungs=RUNGS, journal=tmp_path / "2", workers=2, executor=executor)
    assert by_trial(found) == by_trial(expected)


def test_the_journal_of_another_search_is_refused(trials, tmp_path):
    journal = tmp_path / "journal.jsonl"
    journal.write_text(json.dumps({"event": "start", "trial": "7", "values": {}}) + "\n")
    with pytest.raises(CrackdetError, match="does not fit"):
        trials("random", journal=journal)


def test_what_the_journal_says_counts_where_the_oracle_would_say_otherwise(trials, tmp_path):
    journal = tmp_path / "journal.jsonl"
    trials("random", journal=journal, max_trials=4)
    lines = [json.loads(line) for line in journal.read_text().splitlines()][:3]
    lines[2]["values"]["dropout"] += 1e-9  # as another version of Python might
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = trials("random", journal=journal, max_trials=4)
    assert by_trial(found)["2"][0].values == lines[2]["values"]
