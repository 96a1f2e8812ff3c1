"""Tiny data, and trials that need no training: their loss is a formula of the hyperparameters."""

import csv
import functools
import json
import math
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future

import keras_tuner
import numpy as np
import pytest

import tuning.jobs
from crackdet.data import CrackData
from tests.standin import standin_classifier
from tests.tuning.programs import Programs
from tuning import CrackHyperModel, SearchResult, SearchSpace, search
from tuning.ledger import Ledger
from tuning.oracles import INDEPENDENT, make_oracle
from tuning.project import Journal
from tuning.scheduler import run_trials
from tuning.tasks import Finished, Outcome, Task, attempt

SIZE = 32
PROGRAMS = pytest.StashKey[Programs]()

# The search `whole`, one trial a job, at rates that learn in a dozen steps: two trials, and the
# better one again on all images.
SPACE = SearchSpace(learning_rate=(0.1, 0.4), unfreeze_depth=1)
OPTIONS = {
    "tuner": "random",
    "max_trials": 2,
    "search_images": 24,
    "halving_factor": 2,
    "epochs": 2,
    "classifier": standin_classifier,
    "keep_checkpoints": 2,
}
DEEP = SearchSpace(unfreeze_depth=(1, 6))  # one trial a job, in their order
# The same two trials, none of which is run again.
ONE_ROUND = OPTIONS | {"halving_factor": None}


def patches(count, seed):
    """Grey noise, strong where the label is 0 and faint where it is 1."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    strength = np.where(labels, 2, 80)[:, None, None, None]
    images = 128 + strength * random.standard_normal((count, SIZE, SIZE, 3))
    return np.clip(images, 0, 255).astype(np.uint8), labels


def small_data():
    return CrackData.from_arrays(patches(48, 1), patches(16, 2), patches(4, 3), batch_size=4)


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_works():
    """What tests start can be interrupted, which a shell turns off for what it runs behind it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Has what programs need imported while other tests run."""
    if any("programs" in item.fixturenames for item in session.items):
        session.stash[PROGRAMS] = Programs()


@pytest.fixture(scope="session")
def programs(request, ctrl_c_works) -> Iterator[Programs]:
    with request.session.stash[PROGRAMS] as started:
        yield started


@pytest.fixture(scope="session")
def data() -> CrackData:
    return small_data()


@pytest.fixture(scope="session")
def whole(data, tmp_path_factory) -> SearchResult:
    """A search that nothing disturbed, with one worker; disturbed ones must end as it did."""
    folder = tmp_path_factory.mktemp("whole") / "search"
    return search(data, directory=folder, space=SPACE, workers=1, verbose=0, **OPTIONS)


def loss_of(model, split):
    """The mean cross-entropy of a classifier on a split, from its probabilities."""
    probabilities = model.predict(split.in_order(), verbose=0)
    return -np.log(probabilities[np.arange(len(split.labels)), split.labels]).mean()


def read_rows(folder, *, seconds=False):
    """Rows of trials.csv, without what they took unless asked for."""
    with open(folder / "trials.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{k: row[k] for k in row if seconds or k != "seconds"} for row in rows]


def ended_trials(folder):
    """Trials whose end is in the journal; the search may run, or have been killed."""
    journal = folder / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True) if journal.exists() else []
    # The last line may be half-written, and a search that goes on runs its trial again.
    events = [json.loads(line) for line in lines if line.endswith("\n")]
    return [event["trial"] for event in events if event["event"] == "end"]


def bowl(task: Task) -> Outcome:
    """A loss that is lowest at learning rate 1e-3, dropout 0.3 and depth 4."""
    values = task.values
    loss = (math.log10(values["learning_rate"]) + 3) ** 2 + (values["dropout"] - 0.3) ** 2
    loss += 0.1 * (values["unfreeze_depth"] - 4) ** 2 + task.seed / 2**40
    epochs = task.epochs or 3
    return Outcome({"val_loss": loss, "val_accuracy": 1 / (1 + loss)}, epochs, losses=(loss,) * 3)


class Inline(Executor):
    """Runs each job at once, here."""

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Recorder:
    """A watcher that notes what it is told."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.replayed: list[str] = []
        self.ended: list[Finished] = []
        self.dead: list[str] = []

    def started(self, task: Task) -> None:
        self.begun.append(task.trial)

    def lost(self, task: Task, error: BaseException) -> None:
        self.dead.append(task.trial)

    def finished(self, trial: Finished, *, replayed: bool) -> None:
        self.ended.append(trial)
        if replayed:
            self.replayed.append(trial.task.trial)


@pytest.fixture
def easy(monkeypatch, data):
    """`search` with trials whose loss is a `formula`.

    Those of `fails` raise, those of `diverge` end with NaN, and in `stops` there comes a Ctrl-C.
    """

    def run(folder, *, fails=(), diverge=(), stops=(), begun=None, formula=bowl, **options):
        def run_one(task):
            if task.trial in stops:
                raise KeyboardInterrupt
            if begun is not None:
                begun.append(task.trial)
            if task.trial in fails:
                raise RuntimeError(f"no luck in {task.trial}")
            outcome = formula(task)
            return Outcome({"val_loss": float("nan")}) if task.trial in diverge else outcome

        def run_job(recipe, part, tasks, others, cutoff):
            return [attempt(functools.partial(run_one, task), recipe.objective) for task in tasks]

        monkeypatch.setattr(tuning.jobs, "run_job", run_job)
        monkeypatch.setattr(
            CrackHyperModel, "fill_cache", lambda self, data, depths, painting: sorted(depths)
        )
        usual = {"tuner": "random", "max_trials": 6, "executor": Inline(), "workers": 1}
        return search(data, directory=folder, **{**usual, "space": DEEP} | options)

    return run


@pytest.fixture
def trials(tmp_path) -> Callable[..., list[Finished]]:
    """Runs a search without training: `trials(tuner, fails={"1"}, …)`."""

    def run(
        tuner="random",
        *,
        space=None,
        max_trials=8,
        epochs=3,
        seed=0,
        fails=(),
        journal=None,
        watcher=None,
        train=bowl,
        workers=1,
        executor=None,
        rungs=(),
        **options,
    ):
        objective = keras_tuner.Objective("val_loss", "min")
        space = space or SearchSpace()
        book = Journal(journal or tmp_path / f"{tuner}{seed}.jsonl")
        oracle = make_oracle(
            tuner,
            space,
            objective,
            max_trials=max_trials,
            epochs=epochs,
            seed=seed,
            known=book.begun(),
            rungs=rungs,
        )
        oracle._set_project_dir(str(tmp_path), "project")

        def job(tasks: list[Task]) -> list[Outcome]:
            def maybe(task: Task) -> Outcome:
                if task.trial in fails:
                    raise RuntimeError(f"no luck in {task.trial}")
                return train(task)

            return [attempt(functools.partial(maybe, task), "val_loss") for task in tasks]

        ahead = math.inf if tuner in INDEPENDENT else workers
        return run_trials(
            Ledger(oracle, book, seed=seed, ahead=ahead),
            functools.partial((executor or Inline()).submit, job),
            workers=workers,
            watchers=(watcher or Recorder(),),
            **options,
        )

    return run
