"""CrackData: arrays in, fingerprint and counts out."""

import dataclasses

import numpy as np
import pytest

from crackdet.data import CrackData, load_data


def part(count: int, seed: int, size: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8), np.arange(count) % 2


@pytest.fixture
def data() -> CrackData:
    return CrackData.from_arrays(train=part(6, 0), validation=part(4, 1), test=part(2, 2))


def test_arrays_come_back(data: CrackData) -> None:
    images, labels = part(4, 1)
    batch = data.validation[0]
    np.testing.assert_array_equal(batch[0], images)
    np.testing.assert_array_equal(batch[1], labels)
    assert data.train.shuffle
    assert not data.test.shuffle
    assert data.counts()["train"] == {"negative": 3, "positive": 3}


def test_splits_share_one_universe(data: CrackData) -> None:
    assert len(data.train.universe) == 12
    for split in data.splits.values():
        assert split.universe is data.train.universe
        assert [split.universe[row] for row in split.rows] == split.digests


def test_the_fingerprint_is_of_content_alone(data: CrackData) -> None:
    images, labels = part(6, 0)
    backwards = CrackData.from_arrays(
        train=(images[::-1], labels[::-1]),
        validation=part(4, 1),
        test=part(2, 2),
        batch_size=2,
        name="other",
    )
    assert backwards.fingerprint == data.fingerprint
    assert len(data.fingerprint) == 64
    moved = dataclasses.replace(data, test=data.validation, validation=data.test, fingerprint="")
    assert moved.fingerprint == data.fingerprint, "splits keep their own names"
    other_label = CrackData.from_arrays(
        train=(images, 1 - labels), validation=part(4, 1), test=part(2, 2)
    )
    other_pixel = images.copy()
    other_pixel[0, 0, 0, 0] ^= 1
    changed = CrackData.from_arrays(
        train=(other_pixel, labels), validation=part(4, 1), test=part(2, 2)
    )
    assert len({d.fingerprint for d in (data, other_label, changed)}) == 3


def test_fewer_train_images_are_other_data_that_say_so(data: CrackData) -> None:
    fewer = data.with_train_images(4, cracked=0.25)
    assert fewer.train.labels.tolist().count(1) == 1
    assert "Train is 4 of its 6 images" in fewer.notes
    assert fewer.fingerprint != data.fingerprint
    assert fewer.validation is data.validation
    assert data.with_train_images(6) is data
    # A model of the four knows the walls of the other two.
    known = fewer.content_keys()
    assert {name: sorted(keys) for name, keys in known.items()} == {
        name: sorted(split.digests) for name, split in data.splits.items()
    }


def test_images_of_any_size_groups_and_class_names() -> None:
    images = [np.zeros((5, 9, 3), np.uint8), np.ones((20, 4, 3), np.uint8)]
    data = CrackData.from_arrays(
        train=(images, [0, 1], [7, 7]),
        validation=(images, [0, 1]),
        test=(images, [0, 1]),
        class_names=("sound", "cracked"),
        image_size=(8, 12),
    )
    assert data.train[0][0].shape == (2, 8, 12, 3)
    assert data.train.original(1).shape == (20, 4, 3)
    assert data.train.groups[0] == data.train.groups[1]
    assert data.counts()["test"] == {"sound": 1, "cracked": 1}


def test_a_crack_data_passes_through(data: CrackData) -> None:
    assert load_data(data) is data


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ((np.zeros((2, 4, 4, 3), np.float32), [0, 1]), "dtype uint8"),
        ((np.zeros((2, 4, 4), np.uint8), [0, 1]), r"shape \(H, W, 3\)"),
        ((np.zeros((2, 4, 4, 3), np.uint8), [0]), "one integer label"),
        ((np.zeros((2, 4, 4, 3), np.uint8), [0.0, 1.0]), "one integer label"),
        ((np.zeros((2, 4, 4, 3), np.uint8), [0, 2]), r"0\.\.1"),
        ((np.zeros((2, 4, 4, 3), np.uint8),), "images, labels"),
    ],
)
def test_wrong_arrays_are_refused(train: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CrackData.from_arrays(train=train, validation=part(2, 0), test=part(2, 0))


def test_no_images_need_a_size() -> None:
    empty = (np.zeros((0, 4, 4, 3), np.uint8), np.zeros(0, int))
    with pytest.raises(ValueError, match="image_size"):
        CrackData.from_arrays(train=empty, validation=empty, test=empty)
