"""Locks, and what is said and done where a file system has none."""

import errno
import fcntl
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from crackdet.data import CrackData
from crackdet.features import CacheTooSmall, FeatureCache
from crackdet.features.store import FeatureStore
from crackdet.locks import NoLocksError, exclusive, hold_shared, try_exclusive
from tests.tiny import data, make_model
from tuning.project import open_project

__all__ = ["data", "make_model"]


@pytest.fixture(params=[errno.ENOSYS, errno.ENOLCK])
def no_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that several machines share may have none."""

    def refuse(*_: Any) -> None:
        raise OSError(request.param, "not here")

    monkeypatch.setattr(fcntl, "flock", refuse)


def test_waiting_may_be_refused(tmp_path: Path) -> None:
    def refuse() -> None:
        raise RuntimeError("no time to wait")

    with exclusive(tmp_path / "lock"):
        entered = exclusive(tmp_path / "lock", on_wait=refuse)
        with pytest.raises(RuntimeError, match="no time"), entered:
            pass
    with exclusive(tmp_path / "lock", on_wait=refuse):
        pass


@pytest.mark.usefixtures("no_locks")
def test_every_lock_says_in_a_sentence_that_there_are_none(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    for lock in (exclusive, try_exclusive):
        path.touch()
        with pytest.raises(NoLocksError, match=r"has no locks .*--cache-locks no"), lock(path):
            pass
    with pytest.raises(NoLocksError, match="local disk"):
        hold_shared(path)
    with pytest.raises(NoLocksError), open_project(tmp_path / "search", {"seed": 0}):
        pass


@pytest.mark.usefixtures("no_locks")
def test_a_cache_without_locks_is_filled_by_one_process_and_loses_nothing(
    tmp_path: Path, data: CrackData, make_model: Callable[..., keras.Model]
) -> None:
    model = make_model()
    with pytest.raises(NoLocksError):
        FeatureCache(tmp_path / "a", engine="keras", verbose=0).features(model, 0, data.train)
    cache = FeatureCache(tmp_path / "b", engine="keras", max_gb=0.6e-3, locks=False, verbose=0)
    features = np.asarray(cache.features(model, 0, data.train))
    travelled = pickle.loads(pickle.dumps(cache))
    np.testing.assert_array_equal(travelled.features(model, 0, data.train), features)
    with pytest.raises(CacheTooSmall, match="left to the one process"):
        travelled.features(model, 2, data.train)
    cache.features(model, 18, data.train)
    assert len(FeatureStore(cache.directory).tables()) == 2
    flip = keras.layers.RandomFlip()
    with pytest.raises(CacheTooSmall, match="need"):  # what is there makes no room
        cache.features(model, 18, data.train.subset(range(60)), view=1, augmentation=flip)
    assert 0 in {table.meta["depth"] for table in FeatureStore(cache.directory).tables()}
