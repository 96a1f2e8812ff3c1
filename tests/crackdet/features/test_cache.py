"""The cache of frozen features: exact, lazy, never stale, safe to kill."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from crackdet.data import CrackData, ImageSplit
from crackdet.features import FeatureCache, computing
from crackdet.features import cache as module
from crackdet.features.store.table import FeatureTable
from crackdet.models import split_at

MakeModel = Callable[..., keras.Model]

# Relative rounding of float16, with room for the layers that a rounded boundary still runs through.
ROUNDING = 2**-9


def assert_close(features: Any, exact: Any) -> None:
    exact = np.asarray(exact)
    difference = np.abs(np.asarray(features, np.float32) - exact).max()
    assert difference <= ROUNDING * np.abs(exact).max()


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "cache", engine="keras", verbose=0)


@pytest.fixture(scope="module")
def model(make_model: MakeModel) -> keras.Model:
    """For tests that change nothing of it."""
    return make_model()


def all_images(split: ImageSplit) -> np.ndarray:
    return split.images(range(split.num_images))


def refuse_to_compute(*_: object, **__: object) -> None:
    raise AssertionError("computed again")


@pytest.mark.parametrize("depth", [0, 3, 18])
def test_features_are_those_of_the_prefix(
    model: keras.Model, data: CrackData, cache: FeatureCache, depth: int
) -> None:
    prefix, _ = split_at(model, depth)
    # Compiled, as a pass is. Layer by layer, JAX differs by 1.4e-5 of the largest in float32.
    exact = prefix.predict(all_images(data.train), verbose=0)
    assert len(np.unique(exact.reshape(len(exact), -1), axis=0)) == len(exact)
    features = cache.features(model, depth, data.train)
    assert features.shape == exact.shape
    assert features[3:5].dtype == np.float16
    # Half a unit of float16, and what another batch size changes in float32.
    noise = 1e-5 * np.abs(exact).max()
    np.testing.assert_allclose(np.asarray(features), exact, rtol=2**-11, atol=noise)
    np.testing.assert_array_equal(features[[9, 1]], np.asarray(features)[[9, 1]])


def test_nothing_is_computed_twice(
    model: keras.Model,
    make_model: MakeModel,
    data: CrackData,
    cache: FeatureCache,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = np.asarray(cache.features(model, 17, data.train))
    monkeypatch.setattr(module, "fill", refuse_to_compute)
    again = FeatureCache(cache.directory, engine="keras")
    np.testing.assert_array_equal(again.features(model, 17, data.train), first)
    part = data.train.subset([5, 2, 60])
    np.testing.assert_array_equal(again.features(model, 17, part), first[[5, 2, 60]])
    other_head = make_model(dropout=0.5)
    np.testing.assert_array_equal(again.features(other_head, 17, part), first[[5, 2, 60]])
    with pytest.raises(AssertionError, match="computed again"):
        again.features(model, 17, data.validation)


def test_a_boundary_comes_from_the_nearest_one_that_is_complete(
    model: keras.Model, data: CrackData, cache: FeatureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = data.train.subset(range(69))
    cache.features(model, 18, data.train)
    cache.features(model, 17, most)  # nearer to what follows, but one image is lacking
    read = []

    def watched_batches(table: FeatureTable, rows: np.ndarray) -> Iterator[computing.Inputs]:
        read.append(table.meta["depth"])
        return computing.table_batches(table, rows)

    monkeypatch.setattr(module, "image_batches", refuse_to_compute)
    monkeypatch.setattr(module, "table_batches", watched_batches)
    images = all_images(data.train)
    assert_close(cache.features(model, 16, data.train), split_at(model, 16)[0](images))
    assert_close(cache.features(model, 15, most), split_at(model, 15)[0](images[:69]))
    assert read == [18, 16]
    cache.features(model, 14, most)
    assert read == [18, 16, 15]


def test_changed_weights_or_images_are_never_served_stale(
    make_model: MakeModel, data: CrackData, cache: FeatureCache
) -> None:
    model = make_model()
    cache.features(model, 18, data.train)
    before = np.asarray(cache.features(model, 17, data.train))
    stem = model.get_layer("Conv1")
    stem.set_weights([1.5 * weight for weight in stem.get_weights()])
    after = np.asarray(cache.features(model, 17, data.train))
    images = all_images(data.train)
    assert_close(after, split_at(model, 17)[0](images))
    assert np.abs(after - before).max() > 0.01

    changed = images.copy()
    changed[7] = 255 - changed[7]
    parts = {name: (all_images(part), part.labels) for name, part in data.splits.items()}
    other = CrackData.from_arrays(**{**parts, "train": (changed, data.train.labels)})
    assert_close(cache.features(model, 17, other.train), split_at(model, 17)[0](changed))


def test_weights_above_the_boundary_do_not_matter(
    make_model: MakeModel, data: CrackData, cache: FeatureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model()
    cache.features(model, 17, data.train)
    above = model.get_layer("block_1_expand")
    above.set_weights([1.5 * weight for weight in above.get_weights()])
    monkeypatch.setattr(module, "fill", refuse_to_compute)
    cache.features(model, 17, data.train)


def test_two_ways_to_split_the_same_images_share_their_rows(
    model: keras.Model, data: CrackData, cache: FeatureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    for split in data.splits.values():
        cache.features(model, 18, split)
    train, validation, test = ((all_images(part), part.labels) for part in data.splits.values())
    monkeypatch.setattr(module, "fill", refuse_to_compute)
    swapped = CrackData.from_arrays(train=validation, validation=train, test=test)
    features = cache.features(model, 18, swapped.train)
    assert_close(features, split_at(model, 18)[0](validation[0]))


def test_views_repeat_whatever_was_asked_for_before(
    make_model: MakeModel, data: CrackData, tmp_path: Path
) -> None:
    model = make_model(augmentation=keras.layers.RandomBrightness(0.3))
    some, every = (FeatureCache(tmp_path / name, engine="keras", verbose=0) for name in "ab")
    part = [60, 5, 33]
    few = np.asarray(some.features(model, 18, data.train.subset(part), view=1))
    rest = np.asarray(some.features(model, 18, data.train, view=1))
    full = np.asarray(every.features(model, 18, data.train, view=1))
    np.testing.assert_array_equal(few, full[part])
    np.testing.assert_array_equal(rest, full)

    clean = np.asarray(every.features(model, 18, data.train))
    other = np.asarray(every.features(model, 18, data.train, view=2))
    reseeded = np.asarray(every.features(model, 18, data.train, view=1, seed=1))
    for a, b in [(clean, full), (full, other), (full, reseeded)]:
        assert (np.abs(a - b).max(axis=(1, 2, 3)) > 0).all()


def test_a_view_is_the_augmentation_of_the_image(
    model: keras.Model, data: CrackData, cache: FeatureCache
) -> None:
    flip = keras.layers.RandomFlip("horizontal")
    features = cache.features(model, 18, data.train, view=1, augmentation=flip)
    images = all_images(data.train) / 127.5 - 1
    kept, flipped = (
        np.abs(np.asarray(features, np.float32) - expected).max(axis=(1, 2, 3)) < 1e-3
        for expected in (images, images[:, :, ::-1])
    )
    assert (kept ^ flipped).all()
    assert 15 < kept.sum() < 55


def test_views_without_augmentation_are_refused(
    model: keras.Model, data: CrackData, cache: FeatureCache
) -> None:
    with pytest.raises(ValueError, match="the model has none"):
        cache.features(model, 0, data.train, view=1)


def test_wrong_arguments_are_refused(model: keras.Model, data: CrackData, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="engine"):
        FeatureCache(tmp_path, engine="onnx")
    images = np.zeros((2, 40, 40, 3), np.uint8)
    other = CrackData.from_arrays(
        train=(images, [0, 1]), validation=(images, [0, 1]), test=(images, [0, 1])
    )
    with pytest.raises(ValueError, match="image_size"):
        FeatureCache(tmp_path, engine="keras").features(model, 0, other.train)


def test_a_pass_goes_on_with_the_engine_that_it_began_with(
    model: keras.Model, data: CrackData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a small one takes the same, whatever ran before it in its process."""
    asked = []

    def noted(name: str, *rest: Any, **options: Any) -> Any:
        asked.append(name)
        return make_engine("keras", *rest, **options)

    make_engine = computing.make_engine
    monkeypatch.setattr(computing, "make_engine", noted)
    monkeypatch.setattr(computing, "WORTH_CONVERTING", 40 * 32 * 32)
    first = FeatureCache(tmp_path, verbose=0)
    first.features(model, 0, data.train.subset(range(60)))
    FeatureCache(tmp_path, verbose=0).features(model, 0, data.train)  # of which ten are left
    first.features(model, 0, data.validation)
    assert asked == ["auto", "auto", "keras"]


@pytest.mark.parametrize("depth", [0, 2])
def test_predictions_are_those_of_the_whole_model(
    make_model: MakeModel, data: CrackData, cache: FeatureCache, depth: int
) -> None:
    model = make_model(depth)
    whole = model.predict(data.test, verbose=0)
    ours = cache.predict(model, data.test)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, whole, atol=2e-3)
    assert np.ptp(whole[:, 1]) > 0.02, "the model tells images apart"


KILLED = """
import os, pathlib, signal, sys
import numpy as np
from crackdet.features import computing
from crackdet.features.store import FeatureTable

folder = pathlib.Path(sys.argv[1])
rows = np.arange(40)
values = np.repeat(rows[:, None], 1000, axis=1).astype(np.float32)
table = FeatureTable.open(folder, {"rows": 40, "row_shapes": [[1000]]})
computing.PORTION_ROWS = 10

class Engine:
    def run(self, batches):
        for count, batch in enumerate(batches):
            if count == 6:
                os.kill(os.getpid(), signal.SIGKILL)
            yield batch[0]

batches = (computing.Inputs(rows[i : i + 5], (values[i : i + 5],)) for i in range(0, 40, 5))
computing.fill([table], batches, 40, lambda sample: Engine(), text="", visible=False)
"""


@pytest.mark.slow
def test_a_killed_pass_leaves_rows_undone_not_wrong(tmp_path: Path, root: Path) -> None:
    result = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "table")], cwd=root)
    assert result.returncode == -signal.SIGKILL
    table = FeatureTable.open(tmp_path / "table", {"rows": 40, "row_shapes": [[1000]]})
    done = table.done()
    assert 10 <= done.sum() < 40
    np.testing.assert_array_equal(table.values()[done][:, 0], np.flatnonzero(done))
    assert os.path.getsize(tmp_path / "table" / "rows.f16") == 40 * 1000 * 2


def test_training_a_model_does_not_change_what_the_cache_computes_with(
    model: keras.Model, make_model: MakeModel, data: CrackData, cache: FeatureCache
) -> None:
    exact = np.asarray(split_at(model, 1)[0](all_images(data.train)))
    trained = make_model()
    cache.features(trained, 1, data.train.subset(range(8)))
    # What training does to blocks that a shallower boundary counts as frozen.
    for weight in trained.get_layer("block_16_expand").weights:
        weight.assign(weight * 2)
    assert_close(cache.features(model, 1, data.train), exact)


def test_engines_of_past_passes_are_let_go(
    make_model: MakeModel, data: CrackData, cache: FeatureCache
) -> None:
    model = make_model()
    for depth in (18, 16, 14, 12):
        cache.features(model, depth, data.test)
    assert len(cache._engines._kept) == computing.KEPT_ENGINES == 2
