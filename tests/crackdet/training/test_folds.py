"""Folds of whole groups, what their models judge, and the fit on all images."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crackdet.data import ImageSplit
from crackdet.errors import CrackdetError
from crackdet.features import FeatureCache
from crackdet.training import folds as folds_module
from crackdet.training.folds import FoldResult, deal_folds, fit_all, fit_folds, median_epochs
from tests.bars import Bars
from tests.tiny import part

NAMES = ("sound", "cracked")
OPTIONS: dict[str, Any] = {
    "epochs": 3, "learning_rate": 2e-2, "patience": 1, "views": 1, "verbose": 0,
}  # fmt: skip


def labelled(labels: list[int], groups: list[int]) -> ImageSplit:
    """Images that nobody looks at."""
    keys = [f"{index:04d}.png" for index in range(len(labels))]
    digests = [f"{index:016x}" for index in range(len(labels))]
    return ImageSplit(
        "all", [None] * len(keys), labels, keys=keys, digests=digests, groups=groups, image_size=8
    )


@pytest.fixture(scope="module")
def images() -> ImageSplit:
    """Forty images in twenty groups of one class each."""
    pixels, labels = part(40, 0)
    keys = [f"{index:04d}.png" for index in range(40)]
    return ImageSplit(
        "all", list(pixels), labels, keys=keys, digests=[f"{index:016x}" for index in range(40)],
        groups=[index // 4 * 2 + index % 2 for index in range(40)], image_size=32, batch_size=8,
    )  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    groups=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=25),
    count=st.integers(2, 7),
    seed=st.integers(0, 3),
)
def test_no_group_is_in_two_parts_and_each_image_is_held_out_once(
    groups: list[tuple[int, int]], count: int, seed: int
) -> None:
    rows = [(label, number) for number, sizes in enumerate(groups) for label in (0, 1)
            for _ in range(sizes[label])]  # fmt: skip
    split = labelled([label for label, _ in rows], [number for _, number in rows])
    pure = [sum(sizes[label] > 0 == sizes[1 - label] for sizes in groups) for label in (0, 1)]
    try:
        folds = deal_folds(split, count, seed=seed)
    except CrackdetError:
        ruled = any(
            2 * max(s[label] for s in groups) > sum(s[label] for s in groups) for label in (0, 1)
        )
        assert min(pure) < 4 or ruled, "refused though either class has groups enough"
        return
    assert 2 <= len(folds) <= count
    assert sorted(np.concatenate([fold.held_out for fold in folds]).tolist()) == [*range(len(rows))]
    for fold in folds:
        parts = (fold.held_out, fold.train, fold.validation)
        assert sorted(np.concatenate(parts).tolist()) == [*range(len(rows))]
        names = [set(split.groups[each].tolist()) for each in parts]
        assert not names[0] & (names[1] | names[2])
        assert not names[1] & names[2]
        assert set(split.labels[fold.train]) == set(split.labels[fold.validation]) == {0, 1}


def test_folds_are_fewer_where_groups_are_few_and_none_where_a_class_is_of_one_group() -> None:
    groups = [*range(30), *[30] * 5, *[31] * 5, *[32] * 5]
    three = labelled([0] * 30 + [1] * 15, groups)
    folds = deal_folds(three, 5)
    assert len(folds) == 3
    assert all(set(three.labels[fold.held_out]) == {0, 1} for fold in folds)
    assert all(
        np.array_equal(a.train, b.train) for a, b in zip(folds, deal_folds(three, 5), strict=True)
    )

    one = labelled([1] * 30 + [0] * 15, [*range(30), *[30] * 15])
    with pytest.raises(CrackdetError, match=r"15 images .*0030.png.* are of one group.*'\(\.\+\)'"):
        deal_folds(one, 5)
    ruled = labelled([1] * 30 + [0] * 15, [*range(30), *[30] * 8, *range(31, 38)])
    with pytest.raises(CrackdetError, match=r"0030.png\) has 8 of the 15 images.*--folds none"):
        deal_folds(ruled, 5)
    with pytest.raises(CrackdetError, match=r"all of one \(such as 0000.png\).*--labels FILE"):
        deal_folds(labelled([1] * 9, [*range(9)]), 3)
    with pytest.raises(ValueError, match="validation_fraction"):
        deal_folds(three, 5, validation_fraction=0.9)


def test_the_median_of_the_best_epochs_counts_by_phase() -> None:
    def results(*epochs: tuple[int, int]) -> list[FoldResult]:
        return [
            FoldResult(np.empty((0, 2), np.float32), {"head": head, "fine_tune": tune}, 0.1)
            for head, tune in epochs
        ]

    assert median_epochs(results((3, 0), (2, 5), (9, 4))) == {"head": 3, "fine_tune": 4}
    assert median_epochs(results((2, 0), (3, 0))) == {"head": 3, "fine_tune": 0}
    assert median_epochs(results((0, 0))) == {"head": 1, "fine_tune": 0}


def test_folds_start_alike_judge_what_they_have_not_seen_and_go_on_after_a_stop(
    make_model: Callable[..., keras.Model],
    images: ImageSplit,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cache = FeatureCache(tmp_path / "cache", engine="keras", verbose=0)
    folds = deal_folds(images, 2)
    model = make_model(1)
    start = [weight.copy() for weight in model.get_weights()]
    fitted, seen = folds_module.fit, []

    def watched(model: keras.Model, data: Any, **options: Any) -> Any:
        assert all(np.array_equal(*pair) for pair in zip(model.get_weights(), start, strict=True))
        seen.append(data)
        if len(seen) in (2, 4):
            raise KeyboardInterrupt
        return fitted(model, data, **options)

    def go_on(**options: Any) -> list[FoldResult]:
        given = {**OPTIONS, **options}
        return fit_folds(model, images, folds, NAMES, cache=cache, run_dir=tmp_path, **given)

    monkeypatch.setattr(folds_module, "fit", watched)
    with pytest.raises(KeyboardInterrupt):
        go_on()
    for data, fold in zip(seen, folds, strict=True):
        assert data.test.keys == [images.keys[i] for i in fold.held_out]
        assert not set(data.test.groups) & {*data.train.groups, *data.validation.groups}

    # One fold is done and is not trained again; one made with other options would be.
    model = make_model(1)
    results = go_on()
    assert len(seen) == 3
    with pytest.raises(KeyboardInterrupt):
        go_on(seed=1)

    # The outcome is that of no stop, to the bit.
    again = fit_folds(make_model(1), images, folds, NAMES, cache=cache, **OPTIONS)
    for one, other in zip(results, again, strict=True):
        np.testing.assert_array_equal(one.probabilities, other.probabilities)
        assert (dict(one.epochs), one.val_loss) == (dict(other.epochs), other.val_loss)

    history, epochs = fit_all(
        make_model(1), images, results, NAMES, cache=cache, run_dir=tmp_path, **OPTIONS
    )
    assert len(history.history["loss"]) == sum(epochs.values()) >= 1
    assert epochs == median_epochs(results)
    assert (tmp_path / "history.csv").exists()


@pytest.mark.slow
def test_folds_are_painted_and_measured_under_stress(
    make_model: Callable[..., keras.Model],
    images: ImageSplit,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cache = FeatureCache(tmp_path / "cache", engine="keras", verbose=0)
    folds = deal_folds(images, 2)
    made, fitted = [], folds_module.fit

    def stress_split(validation: ImageSplit, images: int, seed: int) -> ImageSplit:
        made.append((validation.num_images, images, seed))
        return validation.in_order()

    def go_on(width: int) -> None:
        given = {**OPTIONS, "views": 2, "epochs": 1, "painting": Bars(width)}
        fit_folds(
            make_model(), images, folds, NAMES, cache=cache, run_dir=tmp_path, stress_images=6,
            **given,
        )  # fmt: skip

    def watched(*arguments: Any, **options: Any) -> Any:
        history = fitted(*arguments, **options)
        assert history.history["val_stress_loss"] == pytest.approx(history.history["val_loss"])
        return history

    monkeypatch.setattr(folds_module, "stress_split", stress_split)
    monkeypatch.setattr(folds_module, "fit", watched)
    go_on(3)
    assert made == [(len(fold.validation), 6, 0) for fold in folds]
    go_on(3)
    assert len(made) == 2, "both are done"
    monkeypatch.setattr(folds_module, "fit", None)
    with pytest.raises(TypeError):
        go_on(4)  # another painting is another training
