"""Which images judge a model: the order of the rules, and what is left out and said."""

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crackdet.data import CrackData, ImageSplit
from crackdet.errors import CrackdetError
from crackdet.evaluation import choose_images, evaluate
from crackdet.models.known_images import KnownImages

PIXELS = np.zeros((4, 4, 3), np.uint8)


def digest(number: int) -> str:
    """The content key of an image that goes by its number."""
    return f"{(number + 1) * 0x9E3779B97F4A7C15 % 2**64:016x}"


def split(name: str, numbers: Iterable[int], groups: Iterable[int] | None = None) -> ImageSplit:
    chosen = list(numbers)
    return ImageSplit(
        name,
        [PIXELS] * len(chosen),
        [number % 2 for number in chosen],
        keys=[f"{number}.jpg" for number in chosen],
        digests=[digest(number) for number in chosen],
        groups=chosen if groups is None else groups,
        image_size=4,
    )


def folder(test, train=(), validation=(), **options) -> CrackData:
    return CrackData(
        split("train", train), split("validation", validation), split("test", test), **options
    )


def knows(train=(), validation=(), test=(), start=None) -> KnownImages:
    parts = {"train": train, "validation": validation, "test": test}
    return KnownImages.of({name: map(digest, part) for name, part in parts.items()}, start)


OWN = knows(train=range(6), validation=(6, 7), test=(8, 9))


def judged(choice) -> list[str]:
    return choice.images.keys


def test_a_folder_that_the_model_does_not_know_is_judged_whole():
    choice = choose_images(folder(range(20, 25)), OWN)
    assert judged(choice) == ["20.jpg", "21.jpg", "22.jpg", "23.jpg", "24.jpg"]
    assert choice.split == "all"
    assert choice.reason == "Judging the whole of data: 5 images, none known to the model."
    assert choice.counts == {
        **{"given": 5, "judged": 5, "trained_on": 0, "tuned_on": 0, "tested_on": 0},
        **{"unknown": 5, "left_out": 0, "near_seen": 0},
    }


def test_the_folder_of_its_own_run_is_judged_on_the_test_split_of_that_run():
    """The fault: the folder was cut anew, and three of four "test" images were of train."""
    choice = choose_images(folder(range(10)), OWN)
    assert judged(choice) == ["8.jpg", "9.jpg"]
    assert choice.split == "test"
    assert "the test split of the model's own run: 2 of 10 images." in choice.reason
    assert "Left out 8 images (0.jpg, 1.jpg, 2.jpg, …)" in choice.reason
    assert choice.counts["trained_on"] == 6
    assert choice.counts["tuned_on"] == 2


def test_new_images_beside_those_of_the_run_are_named_and_judged_when_asked_for():
    data = folder([*range(10), 50])
    choice = choose_images(data, OWN)
    assert judged(choice) == ["8.jpg", "9.jpg"]
    assert "1 image (50.jpg), which its run did not hold; --split all" in choice.reason
    assert judged(choose_images(data, OWN, split="all")) == ["8.jpg", "9.jpg", "50.jpg"]


def test_single_training_images_among_others_are_left_out_by_name():
    data = folder([3, 20, 21, 7])
    choice = choose_images(data, OWN)
    assert judged(choice) == ["20.jpg", "21.jpg"]
    assert "Left out 2 images (3.jpg, 7.jpg)" in choice.reason
    seen = choose_images(data, OWN, include_seen=True)
    assert seen.images.num_images == 4
    assert seen.counts["left_out"] == 0
    assert "trained or tuned on 2 images (3.jpg, 7.jpg): the figures are better" in seen.reason


def test_a_named_split_is_that_of_the_data_unless_these_were_cut():
    own = folder(test=[0, 20], train=[1, 8])
    assert judged(choose_images(own, OWN, split="test")) == ["20.jpg"]
    assert judged(choose_images(own, OWN, split="train")) == ["8.jpg"]
    cut = folder(test=[0, 1], train=[2, 8], validation=[9, 3], cut=("train", "validation", "test"))
    assert sorted(judged(choose_images(cut, OWN, split="test"))) == ["8.jpg", "9.jpg"]
    strange = folder(test=[30], train=[31], validation=[32], cut=("train", "validation", "test"))
    assert judged(choose_images(strange, OWN, split="test")) == ["30.jpg"]


def test_what_the_starting_weights_saw_counts_as_seen():
    known = knows(train=[40], test=[41, 8], start=OWN)
    assert judged(choose_images(folder([0, 6, 8, 20]), known, split="all")) == ["8.jpg", "20.jpg"]
    assert judged(choose_images(folder([0, 41]), known)) == ["41.jpg"]
    assert judged(choose_images(folder([0, 20]), known)) == ["20.jpg"]


def test_walls_that_the_model_was_trained_on_are_told_of():
    data = folder([])
    data = CrackData(data.train, data.validation, split("test", [0, 20, 21], [5, 5, 6]))
    choice = choose_images(data, OWN)
    assert choice.counts["near_seen"] == 1
    assert "1 image (20.jpg) of those judged show the same walls" in choice.reason


def test_a_model_that_does_not_say_what_it_knows_is_judged_with_a_warning():
    choice = choose_images(folder([1, 2], train=[3]))
    assert choice.images.num_images == 3
    assert "does not stand beside it" in choice.reason
    assert "--split test" in choice.reason
    assert choice.counts["trained_on"] is None


def test_nothing_to_judge_is_a_sentence():
    with pytest.raises(CrackdetError, match=r"all 3 images of the whole of data: --include-seen"):
        choose_images(folder(range(3)), OWN)
    with pytest.raises(CrackdetError, match=r"no image in the validation split of data"):
        choose_images(folder([20]), OWN, split="validation")
    with pytest.raises(CrackdetError, match=r"^data holds no image that can be judged: give"):
        choose_images(folder([]), OWN)
    with pytest.raises(ValueError, match="all, train, validation, test; received 'dev'"):
        choose_images(folder([20]), OWN, split="dev")


@given(st.lists(st.integers(0, 40), min_size=1, max_size=12, unique=True), st.data())
def test_no_image_is_judged_that_was_trained_on(numbers, draw):
    part = st.sets(st.integers(0, 40), max_size=15)
    train, validation, test = (draw.draw(part) for _ in range(3))
    name = draw.draw(st.sampled_from([None, "all", "test"]))
    try:
        choice = choose_images(folder(numbers), knows(train, validation, test), split=name)
    except CrackdetError:
        assert set(numbers) <= train | validation
        return
    chosen = {int(key.removesuffix(".jpg")) for key in choice.images.keys}
    assert not chosen & (train | validation)
    unseen = set(numbers) - train - validation
    assert chosen == (unseen & test or unseen if name is None else unseen)


def test_the_row_is_that_of_the_chosen_images(data, line_classifier):
    model = line_classifier()
    known = KnownImages.of({name: part.digests for name, part in data.splits.items()})
    chosen = choose_images(data, known).images
    assert evaluate(model, chosen, bootstrap=0) == evaluate(model, data, bootstrap=0)
