"""What names a table: all that its rows depend on, and nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from crackdet.data import CrackData
from crackdet.features import FeatureCache
from crackdet.features.request import FeatureRequest
from crackdet.features.store import FeatureStore
from crackdet.layers import augmentation
from tests.standin import standin_classifier
from tests.tiny import part

MakeModel = Callable[..., keras.Model]


def test_numbers_of_numpy_name_the_same_tables(
    make_model: MakeModel, data: CrackData, tmp_path: Path
) -> None:
    model = make_model(augmentation=augmentation(seed=0))
    cache = FeatureCache(tmp_path, engine="keras", verbose=0)
    for number in (int, np.int64):
        cache.features(model, number(0), data.train, view=number(1), seed=number(3))
    assert len(FeatureStore(tmp_path).tables()) == 1
    with pytest.raises(ValueError, match="depth"):
        cache.features(model, 2.5, data.train)


def test_a_table_tells_apart_all_that_its_rows_depend_on(
    make_model: MakeModel, data: CrackData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pooled features have one shape, whatever the size of the images."""
    model = make_model(augmentation=augmentation(seed=0))

    store = FeatureStore(tmp_path)

    def folder(view: int = 0, seed: int = 0, layer: Any = None, **options: Any) -> Path:
        request = FeatureRequest.of(model, [0], data.train, view, layer, seed, **options)
        return store.folder_of(request.metas[0])

    folders = [
        folder(),
        folder(view=1),
        folder(view=2),
        folder(view=1, seed=1),
        folder(view=1, layer=augmentation(0.5, seed=0)),
        folder(half_precision=True),
    ]
    larger = standin_classifier(48)
    enlarged = CrackData.from_arrays(part(70, 0), part(20, 1), part(18, 2), image_size=48).train
    folders.append(store.folder_of(FeatureRequest.of(larger, [0], enlarged).metas[0]))
    monkeypatch.setattr("crackdet.features.request.PREPROCESSING_VERSION", "another")
    folders.append(folder())
    assert len(set(folders)) == len(folders)
