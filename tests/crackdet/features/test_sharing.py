"""One cache, several processes, a bounded disk: filled once, never pulled from under a reader."""

import dataclasses
import pickle
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from crackdet.data import CrackData
from crackdet.errors import CrackdetError
from crackdet.features import CacheTooSmall, FeatureCache
from crackdet.features import cache as module
from crackdet.features.store import FeatureStore, FeatureTable
from crackdet.features.store.table import LOCK
from crackdet.layers import augmentation
from crackdet.models import split_at
from crackdet.training import fit, sources
from tests.crackdet.features.store.test_store import ROW, make_table, meta

MakeModel = Callable[..., keras.Model]


@pytest.fixture(scope="module")
def model(make_model: MakeModel) -> keras.Model:
    """For tests that change nothing of it."""
    return make_model()


def small_cache(directory: Path, megabytes: float) -> FeatureCache:
    return FeatureCache(directory, engine="keras", max_gb=megabytes / 1000, verbose=0)


# What a process does that has a table open, without the time that importing Keras takes.
HOLDER = """
import fcntl, os, sys

fcntl.flock(os.open(sys.argv[1], os.O_RDWR), fcntl.LOCK_SH)
print("open", flush=True)
sys.stdin.readline()
"""


def test_a_table_that_another_process_has_open_stays(tmp_path: Path) -> None:
    for name in ("used", "idle"):
        make_table(tmp_path, name)
    command = [
        sys.executable,
        "-c",
        HOLDER,
        str(FeatureStore(tmp_path).folder_of(meta("used")) / LOCK),
    ]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        assert [table.meta["prefix"] for table in FeatureStore(tmp_path).clear()] == ["used"]
        (stored,) = FeatureStore(tmp_path).tables()
        assert (stored.meta["prefix"], stored.done) == ("used", 4)
        holder.communicate("go on\n", timeout=60)
    assert holder.returncode == 0
    assert FeatureStore(tmp_path).clear() == [], "the process is gone, and so is its lock"
    assert not list(tmp_path.glob("*/*"))


FILLER = """
import os, pathlib, sys
import numpy as np
from crackdet.features import computing
from crackdet.features.store import FeatureStore
from tests.crackdet.features.store.test_store import ROW, meta

directory, turns = pathlib.Path(sys.argv[1]), int(sys.argv[2])
rows = np.arange(4)

class Engine:
    def run(self, batches):
        return (np.repeat(batch, ROW, axis=1) for batch, in batches)

print("ready", flush=True)
sys.stdin.readline()
other = os.fork()  # two processes, of which one has imported Keras
store = FeatureStore(directory, max_bytes=6_100_000)
for turn in range(turns):
    name = "same" if turn % 2 else f"own {turn} of {'ab'[other == 0]}"
    with store.filling(lambda: None):
        store.make_room(2_000_000, "Features")
        table = store.open(meta(name))
        lacking = rows[~table.done()]
        if len(lacking):
            batches = iter([computing.Inputs(lacking, (lacking[:, None] + 1.0,))])
            computing.fill([table], batches, 4, lambda sample: Engine(), text="", visible=False)
    assert table.values()[:, -1].tolist() == [1, 2, 3, 4], name
    del table
if other:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]))
"""


@pytest.mark.slow
def test_processes_fill_and_evict_side_by_side(tmp_path: Path, root: Path) -> None:
    evictor_rounds = 0
    with subprocess.Popen(
        [sys.executable, "-c", FILLER, str(tmp_path), "8"],
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as processes:
        assert processes.stdout is not None
        assert processes.stdout.readline() == "ready\n"
        # Keras is imported, which takes most of the time: now all three go at once.
        assert processes.stdin is not None
        processes.stdin.close()
        while processes.poll() is None:
            FeatureStore(tmp_path).clear()
            evictor_rounds += 1
    assert processes.returncode == 0
    assert evictor_rounds > 5
    assert sum(table.size for table in FeatureStore(tmp_path).tables()) <= 6_100_000
    for stored in FeatureStore(tmp_path).tables():
        table = FeatureTable.find(stored.folder, stored.meta)
        assert table is not None
        assert table.values()[:, 0].tolist() == [1, 2, 3, 4]


def test_a_full_disk_leaves_nothing_wrong(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    table = store.open(meta("full"))
    ones = np.ones((4, ROW), np.float32)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A file that may not grow further is as good as a full disk; Python ignores the signal.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_200_000, hard))
    try:
        with pytest.raises(CrackdetError, match="Free disk space or choose another folder"):
            table.write(np.arange(4), ones)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    table = store.find(meta("full"))
    assert table is not None
    assert not table.done().any()
    table.write(np.arange(4), np.full((4, ROW), 2.0))
    assert (table.values() == 2).all()


def test_what_a_killed_process_left_half_made_is_swept(tmp_path: Path) -> None:
    table = make_table(tmp_path, "one")
    aside = table.folder.with_name(f".{table.folder.name}.x1y2z3")
    (aside / "damaged").mkdir(parents=True)
    stranger = table.folder.with_name(".mine")
    stranger.mkdir()
    FeatureStore(tmp_path).clear()
    assert not aside.exists()
    assert stranger.exists()


def test_one_pass_fills_several_boundaries(
    model: keras.Model, data: CrackData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = FeatureCache(tmp_path, engine="keras", verbose=0)
    first = data.train.subset(range(30))
    cache.features(model, 2, first)
    passes = []

    def counted(tables: list[FeatureTable], batches: Any, total: int, *rest: Any, **named: Any):
        passes.append(([table.meta["depth"] for table in tables], total))
        fill(tables, batches, total, *rest, **named)

    fill = module.fill
    monkeypatch.setattr(module, "fill", counted)
    cache.prepare(model, [6, 2, 0], data)
    assert passes == [([0, 2, 6], 70), ([0, 2, 6], 20)]
    images = data.train.images(range(70))
    for depth in (0, 2, 6):
        exact = keras.ops.convert_to_numpy(split_at(model, depth)[0](images))
        np.testing.assert_allclose(
            cache.features(model, depth, data.train),
            exact,
            rtol=2**-11,
            atol=1e-5 * np.abs(exact).max(),
        )
    cache.prepare(model, [0, 2, 6], dataclasses.replace(data, train=first))
    assert len(passes) == 2, "nothing is lacking"


def test_a_pass_over_other_boundaries_of_the_same_shape_is_another(
    model: keras.Model, data: CrackData, tmp_path: Path
) -> None:
    """Depths 2 and 3 differ only in where their boundary branches off the same layers."""
    cache = FeatureCache(tmp_path, engine="keras", verbose=0)
    for depth, split in ((2, data.train), (3, data.validation)):
        cache.prepare(model, [0, depth], CrackData(split, split, split))
        exact = np.asarray(split_at(model, depth)[0](split.images(range(split.num_images))))
        noise = 1e-5 * np.abs(exact).max()
        features = cache.features(model, depth, split)
        np.testing.assert_allclose(features, exact, rtol=2**-11, atol=noise)


def test_a_search_prepares_the_depths_that_fit(
    make_model: MakeModel, data: CrackData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model(augmentation=keras.layers.RandomBrightness(0.3))
    cache = small_cache(tmp_path, 1.0)
    with pytest.warns(UserWarning, match="depth 0, 2, 18, 2 views, need .* Depth 18 is left out"):
        assert cache.prepare(model, [0, 2, 18], data, views=2) == [0, 2]
    assert len(FeatureStore(tmp_path).tables()) == 4, (
        "validation and train have their rows in one table"
    )
    monkeypatch.setattr(module, "fill", lambda *_, **__: pytest.fail("computed again"))
    for depth in (0, 2):
        cache.features(model, depth, data.validation)
        for view in (0, 1):
            cache.features(model, depth, data.train, view=view)


def test_a_phase_without_room_trains_on_images(
    make_model: MakeModel, data: CrackData, tmp_path: Path
) -> None:
    bright = keras.layers.RandomBrightness(0.3)
    model = make_model(18, augmentation=bright, dropout=0.0)
    cache = small_cache(tmp_path, 0.35)
    with pytest.warns(UserWarning, match=r"depth 18, 1 view, need .* Phase fine_tune trains"):
        fit(model, data, views=1, cache=cache, epochs=2, head_epochs=1, verbose=0)
    assert {table.meta["depth"] for table in FeatureStore(tmp_path).tables()} == {0}


@pytest.mark.slow
def test_an_uncached_phase_of_one_view_sees_images_as_they_are(
    make_model: MakeModel, data: CrackData, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"epochs": 2, "head_epochs": 0, "verbose": 0}
    bright = keras.layers.RandomBrightness(0.3)
    model = make_model(18, augmentation=bright, dropout=0.0)
    with pytest.warns(UserWarning, match="Phase fine_tune trains"):
        found = fit(model, data, views=1, cache=small_cache(tmp_path, 0.1), **options).history
    plain = fit(make_model(18, dropout=0.0), data, **options).history
    # Both train on the same numbers: no features are rounded on the way.
    np.testing.assert_allclose(found["loss"], plain["loss"], rtol=1e-4)


def test_predictions_need_no_room(make_model: MakeModel, data: CrackData, tmp_path: Path) -> None:
    model = make_model(18)
    cache = small_cache(tmp_path, 0.1)
    with pytest.warns(UserWarning, match="The whole model predicts"):
        found = cache.predict(model, data.test)
    np.testing.assert_allclose(found, model.predict(data.test, verbose=0), atol=1e-6)


def test_features_and_caches_travel_to_other_processes(
    model: keras.Model, data: CrackData, tmp_path: Path
) -> None:
    cache = small_cache(tmp_path, 100)
    features = cache.features(model, 2, data.train.subset([4, 9, 2]))
    text = pickle.dumps(features)
    assert len(text) < 2000, "no features travel"
    np.testing.assert_array_equal(pickle.loads(text), features)
    again = pickle.loads(pickle.dumps(cache))
    assert again.max_bytes == 10**8
    np.testing.assert_array_equal(again.features(model, 2, data.train.subset([9])), features[1:2])
    del features
    FeatureStore(tmp_path).clear()
    with pytest.raises(CrackdetError, match="are gone"):
        pickle.loads(text)


def test_a_training_without_room_computes_nothing(
    make_model: MakeModel, data: CrackData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One view and validation would fit, three views do not."""
    model = make_model(augmentation=augmentation(seed=0))
    cache = small_cache(tmp_path, 1)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("computed")

    monkeypatch.setattr(module, "fill", refuse)
    with pytest.raises(AssertionError, match="computed"):
        cache.training_features(model, 18, data)  # there is room
    with pytest.raises(CacheTooSmall, match=r"depth 18, 3 views, need"):
        sources._on_features(model, sources.Images(data, 3, None, None, 0, 0), 18, cache)


def test_a_training_that_shall_make_no_room_computes_nothing(
    model: keras.Model, make_model: MakeModel, data: CrackData, tmp_path: Path
) -> None:
    cache = small_cache(tmp_path, 100)
    bound = pickle.loads(pickle.dumps(cache.read_only([2])))
    with pytest.raises(CacheTooSmall, match="depth 2 have no room"):
        bound.training_features(model, 2, data)
    with pytest.warns(UserWarning, match="The whole model predicts"):
        bound.predict(make_model(2), data.validation)
    bound.training_features(model, 0, data)
    assert {table.meta["depth"] for table in FeatureStore(tmp_path).tables()} == {0}
    cache.prepare(model, [2], data)
    features, _ = bound.training_features(model, 2, data)  # which is there now
    assert len(features[0]) == data.train.num_images


def test_what_is_no_table_of_ours_does_no_harm(
    model: keras.Model, data: CrackData, tmp_path: Path
) -> None:
    cache = FeatureCache(tmp_path, engine="keras", verbose=0)
    cache.features(model, 17, data.validation)
    (universe,) = (path for path in tmp_path.iterdir() if path.is_dir())
    (universe / "other").mkdir()
    (universe / "other" / "table.json").write_text("{}")
    (universe / "list").mkdir()
    (universe / "list" / "table.json").write_text("[]")
    cache.features(model, 0, data.validation)
    with pytest.raises(ValueError, match="train is empty"):
        cache.features(model, 0, data.train.subset([]))
