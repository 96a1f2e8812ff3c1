"""Splits: order, batches, subsets."""

import pickle

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crackdet.data import ImageSplit


def make_split(count: int = 10, *, positives: int = 4, **options: object) -> ImageSplit:
    images = [np.full((4, 4, 3), index % 256, np.uint8) for index in range(count)]
    labels = (np.arange(count) < positives).astype(int)
    digests = [f"{(index * 0x9E3779B97F4A7C15) % 2**64:016x}" for index in range(count)]
    keys = [f"{index}.jpg" for index in range(count)]
    settings = {"image_size": 4, "batch_size": 4, **options}
    return ImageSplit("train", images, labels, keys=keys, digests=digests, **settings)


def shown(split: ImageSplit) -> list[int]:
    return [int(image[0, 0, 0]) for batch in range(len(split)) for image in split[batch][0]]


def test_batches_keep_the_last_partial_one() -> None:
    split = make_split()
    batches = [split[index] for index in range(len(split))]
    assert [len(images) for images, _ in batches] == [4, 4, 2]
    assert batches[0][0].dtype == np.uint8
    assert batches[0][1].dtype == np.int32
    assert np.concatenate([labels for _, labels in batches]).tolist() == split.labels.tolist()
    with pytest.raises(IndexError):
        split[3]


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    first, second = make_split(shuffle=True, seed=3), make_split(shuffle=True, seed=3)
    epoch_0 = shown(first)
    assert epoch_0 == shown(second)
    assert sorted(epoch_0) == list(range(10))
    first.on_epoch_end()
    epoch_1 = shown(first)
    assert epoch_1 != epoch_0
    second.epoch = 1
    assert shown(second) == epoch_1
    assert shown(make_split(shuffle=True, seed=4)) != epoch_0
    assert shown(make_split(shuffle=True, seed=0)) == shown(make_split(shuffle=True, seed=0))


def test_the_side_of_a_patch_is_that_of_the_pictures_before_they_are_resized() -> None:
    sides = [40, 50, 50, 60, 900]
    images = [np.zeros((30, side, 3), np.uint8) for side in sides]
    split = ImageSplit(
        "train", images, [0] * 5, keys=list("abcde"), digests=list("abcde"), image_size=8
    )
    assert split.patch_side() == 50
    assert split.subset([]).patch_side() is None


def test_in_order_and_subset_start_again() -> None:
    split = make_split(shuffle=True)
    split.epoch = 5
    assert shown(split.in_order()) == list(range(10))
    part = split.subset([7, 2, 5], shuffle=False)
    assert shown(part) == [7, 2, 5]
    assert part.keys == ["7.jpg", "2.jpg", "5.jpg"]
    assert part.labels.tolist() == [0, 1, 0]
    np.testing.assert_array_equal(part.universe, split.universe)
    np.testing.assert_array_equal(part.rows, split.rows[[7, 2, 5]])
    assert split.subset([1]).shuffle
    assert split.subset([1]).epoch == 0


def test_keras_predicts_in_order_and_fits_in_epochs() -> None:
    count_images = keras.layers.Dense(1, kernel_initializer="zeros", use_bias=False)
    mean = keras.layers.GlobalAveragePooling2D()
    model = keras.Sequential([keras.Input((4, 4, 3)), mean])
    split = make_split()
    np.testing.assert_array_equal(model.predict(split, verbose=0)[:, 0], np.arange(10))
    trained = keras.Sequential([keras.Input((4, 4, 3)), mean, count_images])
    trained.compile("sgd", "mse")
    shuffled = make_split(shuffle=True)
    history = trained.fit(shuffled, epochs=2, validation_data=split, verbose=0)
    assert shuffled.epoch >= 2, "Keras may look at batches before the first epoch"
    assert np.isfinite(history.history["val_loss"]).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 60), st.data())
def test_a_stratified_part_keeps_the_shares(count: int, data: st.DataObject) -> None:
    positives = data.draw(st.integers(0, count))
    wanted = data.draw(st.integers(1, count))
    split = make_split(count, positives=positives)
    part = split.stratified(wanted, seed=data.draw(st.integers(0, 5)))
    assert part.num_images == wanted
    assert len(set(part.keys)) == wanted
    assert abs(part.labels.sum() - positives * wanted / count) <= 1


def test_a_stratified_part_depends_on_the_seed_alone() -> None:
    split = make_split(200, positives=100)
    keys = split.stratified(20, seed=0).keys
    assert keys == split.stratified(20, seed=0).keys
    assert keys != split.stratified(20, seed=1).keys
    reversed_split = split.subset(range(199, -1, -1))
    assert set(reversed_split.stratified(20, seed=0).keys) == set(keys)
    assert split.stratified(500).num_images == 200
    with pytest.raises(ValueError, match="1 or more"):
        split.stratified(0)


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 60), st.data())
def test_a_widespread_part_has_its_size_and_a_picture_of_each_group_first(
    count: int, data: st.DataObject
) -> None:
    split = make_split(count, positives=data.draw(st.integers(0, count)))
    split = split.with_groups(
        np.array(data.draw(st.lists(st.integers(0, 6), min_size=count, max_size=count)))
    )
    wanted, seed = data.draw(st.integers(1, count)), data.draw(st.integers(0, 5))
    cracked = data.draw(st.none() | st.floats(0, 1))
    part = split.widespread(wanted, cracked, seed)
    assert part.num_images == len(set(part.keys)) == wanted
    assert part.keys == split.widespread(wanted, cracked, seed).keys
    share = split.labels.mean() if cracked is None else cracked
    sound, most = np.bincount(split.labels, minlength=2)
    possible = np.clip(share * wanted, wanted - sound, most)
    assert abs(part.labels.sum() - possible) <= 1
    for label in (0, 1):
        taken = np.bincount(part.groups[part.labels == label], minlength=7)
        there = np.bincount(split.groups[split.labels == label], minlength=7)
        assert (np.minimum(there, taken.max()) - taken <= 1).all()


def test_a_stratified_part_touches_few_chunks_of_the_universe() -> None:
    split = make_split(2000, positives=1000)
    chunks = np.unique(split.stratified(200, seed=1).rows // 32)
    assert len(chunks) <= 12  # a part drawn anywhere would touch nearly all 63


def test_groups_default_to_equal_content() -> None:
    images = [np.zeros((2, 2, 3), np.uint8)] * 3
    split = ImageSplit(
        "test", images, [0, 1, 0], keys=["a", "b", "c"], digests=["1" * 16, "2" * 16, "1" * 16]
    )
    assert split.groups[0] == split.groups[2] != split.groups[1]


def test_columns_must_have_one_length() -> None:
    with pytest.raises(ValueError, match="for each image"):
        ImageSplit("train", [], [1], keys=[], digests=[])


def test_a_split_travels_to_another_process() -> None:
    split = make_split(shuffle=True)
    assert shown(pickle.loads(pickle.dumps(split))) == shown(split)
