"""Breaks twenty-three places of the engine, one after another, and tells which the tests notice.

    python -m tests.mutations            # all of them, each with the tests that should see it
    python -m tests.mutations eviction   # those whose name holds a word

Each mutation replaces a piece of the source in a copy of the project and runs the named tests
there. A survivor is a fault that no test would see.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("crackdet", "tfds_builder", "tuning", "examples", "tests", "pyproject.toml", "README.md")


@dataclass(frozen=True)
class Mutation:
    """One place, what stands there, what is put there, and the tests that should fail."""

    name: str
    path: str
    old: str
    new: str
    tests: str


REQUEST, TABLE, STORE = (
    f"crackdet/features/{name}.py" for name in ("request", "store/table", "store/store")
)
FEATURES = "tests/crackdet/features"
ENGINE = "tests/tuning/test_scheduler.py"

MUTATIONS = (
    # Cache keys: what names a table.
    Mutation(
        "key without image size",
        REQUEST,
        '"image_size": list(split.image_size)',
        '"image_size": [1, 1]',
        f"{FEATURES}/test_request.py",
    ),
    Mutation(
        "key without images",
        REQUEST,
        'text_digest("\\n".join(split.universe))',
        'text_digest("")',
        FEATURES,
    ),
    Mutation("key without view", REQUEST, '"view": view', '"view": 0', FEATURES),
    Mutation(
        "key without augmentation seed",
        REQUEST,
        "config_digest([layer]), seed]",
        "config_digest([layer]), 0]",
        FEATURES,
    ),
    Mutation(
        "key without preprocessing version",
        REQUEST,
        '"preprocessing": PREPROCESSING_VERSION',
        '"preprocessing": 0',
        FEATURES,
    ),
    Mutation(
        "key without weights",
        "crackdet/features/digests.py",
        "digest.update(np.ascontiguousarray(weight).tobytes())",
        "pass",
        FEATURES,
    ),
    Mutation(
        "engine shared between boundaries",
        "crackdet/features/computing.py",
        "network_digest(network.layers), shapes, *depths)",
        "network_digest(network.layers), shapes)",
        f"{FEATURES}/test_sharing.py",
    ),
    # Tables and eviction.
    Mutation(
        "a row counts as done before it is on disk",
        TABLE,
        "            self._write_rows(ROWS, rows, rounded)\n",
        "            self._mark(rows)\n            self._write_rows(ROWS, rows, rounded)\n",
        f"{FEATURES}/store {FEATURES}/test_cache.py",
    ),
    Mutation(
        "features that vanish are kept as zeros",
        TABLE,
        "if vanished.any():",
        "if False:",
        f"{FEATURES}/store {FEATURES}/test_cache.py",
    ),
    Mutation(
        "eviction: newest first",
        STORE,
        "key=lambda table: table.last_use)",
        "key=lambda table: -table.last_use)",
        f"{FEATURES}/store",
    ),
    Mutation(
        "eviction: of what is in use",
        "crackdet/locks.py",
        "yield _try(descriptor, fcntl.LOCK_EX, path) and _is_at(descriptor, path, place)",
        "yield True",
        f"{FEATURES}/store {FEATURES}/test_sharing.py",
    ),
    Mutation(
        "eviction: without a budget",
        STORE,
        "allowed = min(self.max_bytes, stored_bytes + self._free())",
        "allowed = stored_bytes + self._free()",
        f"{FEATURES}/store",
    ),
    # Ranking.
    Mutation(
        "ranking: maximum taken for minimum",
        "crackdet/runs/trials.py",
        'value if direction == "min" else -value',
        "value",
        "tests/crackdet/runs tests/tuning/test_leaderboard.py",
    ),
    Mutation(
        "ranking: pruned trials beside others",
        "crackdet/runs/trials.py",
        "return (-images, pruned, value",
        "return (-images, False, value",
        "tests/crackdet/runs tests/tuning/test_leaderboard.py",
    ),
    Mutation(
        "ranking: few images beside many",
        "crackdet/runs/trials.py",
        "return (-images, pruned, value",
        "return (0, pruned, value",
        "tests/crackdet/runs tests/tuning/test_leaderboard.py",
    ),
    # Seeds.
    Mutation(
        "seeds: one for all trials",
        "tuning/seeds.py",
        "[seed, int(trial), execution]",
        "[seed, execution]",
        f"{ENGINE} tests/tuning/test_oracles.py",
    ),
    Mutation(
        "seeds: random layers go on",
        "crackdet/seeds.py",
        'state.assign(np.array([value, 0], "uint32").astype(state.dtype))',
        "pass",
        "tests/crackdet/runs/test_record.py tests/crackdet/training/test_fitting.py",
    ),
    Mutation(
        "seeds: a trial taken further draws a new one",
        "tuning/ledger.py",
        "trial_seed(self._seed, first or trial.trial_id)",
        "trial_seed(self._seed, trial.trial_id)",
        ENGINE,
    ),
    # Promotion, and what an oracle is told.
    Mutation(
        "promotion: of the worst",
        "tuning/halving.py",
        "                trial.score,",
        "                -trial.score,",
        f"{ENGINE} tests/tuning/test_oracles.py",
    ),
    Mutation(
        "promotion: one too few",
        "tuning/halving.py",
        "math.ceil(last.trials / factor)",
        "max(1, last.trials // factor)",
        "tests/tuning/test_halving.py",
    ),
    Mutation(
        "the oracle is told the same of every trial",
        "tuning/ledger.py",
        "self._oracle.update_trial(trial.trial_id, outcome.metrics)",
        'self._oracle.update_trial(trial.trial_id, {**outcome.metrics, "val_loss": 1.0})',
        f"{ENGINE} tests/tuning/test_oracles.py",
    ),
    # The best epoch.
    Mutation(
        "the last epoch is the best",
        "crackdet/runs/history.py",
        "return min(finite)[1] if finite else None",
        "return finite[-1][1] if finite else None",
        "tests/crackdet/runs",
    ),
    Mutation(
        "the last phase is kept",
        "crackdet/training/fitting.py",
        "best.losses[epoch] < best_loss",
        "best.losses[epoch] < math.inf",
        "tests/crackdet/training/test_fitting.py",
    ),
)


def mutated(mutation: Mutation, folder: Path) -> None:
    """Copies the project into a folder and breaks one place of it."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    path = folder / mutation.path
    text = path.read_text("utf-8")
    if text.count(mutation.old) != 1:
        raise SystemExit(f"{mutation.name}: {mutation.path} does not hold it once; mend the list")
    path.write_text(text.replace(mutation.old, mutation.new), "utf-8")


def is_noticed(mutation: Mutation) -> bool:
    """Whether a test fails."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "project")
        folder.mkdir()
        mutated(mutation, folder)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", *mutation.tests.split()],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder)},
            capture_output=True,
        )
    if done.returncode not in (0, 1):
        raise SystemExit(f"{mutation.name}: pytest ended with {done.returncode}:\n{done.stdout}")
    return done.returncode == 1


def main() -> None:
    """Tries the mutations and prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("word", nargs="?", default="", help="only mutations with it in their name")
    chosen = [m for m in MUTATIONS if parser.parse_args().word in m.name]
    survivors = []
    for mutation in chosen:
        start = time.monotonic()
        noticed = is_noticed(mutation)
        survivors += [] if noticed else [mutation.name]
        word = "noticed " if noticed else "SURVIVED"
        print(f"{word}  {time.monotonic() - start:4.0f} s  {mutation.name}", flush=True)
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} noticed")
    if survivors:
        raise SystemExit(f"survivors: {', '.join(survivors)}")


if __name__ == "__main__":
    main()
