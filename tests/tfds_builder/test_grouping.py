import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.grouping_truth import SURFACES, cut_crops, judge, make_photo
from tfds_builder.grouping import (
    OVERLAP,
    TEST,
    TRAIN,
    TWIN,
    VALIDATION,
    Links,
    assign_splits,
    connected_groups,
    content_key,
    find_links,
    join_groups,
    leakage,
    load_table,
    run_numbers,
    save_table,
    twin_groups,
)
from tfds_builder.grouping.keypoints import apply_symmetry
from tfds_builder.grouping.verification import correlation, shared_views


def make_links(*pairs, kind=OVERLAP, correlation=0.9):
    first, second = np.array(pairs, np.int64).reshape(-1, 2).T
    zeros = np.zeros_like(first)
    return Links(first, second, zeros + kind, zeros, zeros, zeros, np.full(len(first), correlation))


@pytest.mark.slow
@pytest.mark.parametrize("surface", SURFACES)
def test_links_agree_with_truth(surface):
    crops = cut_crops(surface, photos=10)
    recall, precision = judge(crops, find_links(crops.jpegs))
    assert recall >= 0.99
    assert precision >= 0.999


@pytest.mark.parametrize("symmetry", range(8))
def test_a_link_tells_how_the_crops_lie(symmetry):
    photo = make_photo("textured", 1)
    first = photo[100:327, 100:327]
    second = apply_symmetry(photo[60:287, 170:397], symmetry)
    links = find_links([first, second])
    assert links.kind.tolist() == [OVERLAP]
    assert (int(links.dy[0]), int(links.dx[0])) == (-40, 70)
    a, b = shared_views(first, second, int(links.symmetry[0]), -40, 70)
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("symmetry", range(8))
def test_a_turned_crop_is_a_twin(symmetry):
    photo = make_photo("plain", 0)[:227, :227]
    links = find_links([photo, make_photo("plain", 1)[:227, :227], apply_symmetry(photo, symmetry)])
    assert (links.first.tolist(), links.second.tolist()) == ([0], [2])
    assert links.kind.tolist() == [TWIN]


def test_a_joint_alone_links_nothing():
    rng = np.random.default_rng(0)

    def wall_with_joint():
        wall = 150 + 4 * rng.standard_normal((227, 227))
        wall[100:112] = 40
        return np.clip(wall, 0, 255).astype(np.uint8)

    assert len(find_links([wall_with_joint() for _ in range(12)])) == 0


def test_copies_are_twins_and_many_of_them_do_not_crowd_out_others():
    photo = make_photo("textured", 2)
    images = [photo[:227, :227]] * 30 + [photo[50:277, 50:277]]
    groups = connected_groups(31, find_links(images))
    assert groups.tolist() == [0] * 31


def test_one_image_and_copies_of_one_resemble_nothing_else():
    photo = make_photo("textured", 2)[:227, :227]
    assert len(find_links([photo])) == 0
    links = find_links([photo, photo])
    assert (links.first.tolist(), links.second.tolist()) == ([0], [1])


@pytest.mark.parametrize("images", [[], [np.zeros((10, 10), np.uint8)] * 1, [b"no picture"]])
def test_odd_input(images):
    if images and isinstance(images[0], bytes):
        with pytest.raises(ValueError, match="number 0 cannot be decoded"):
            find_links(images)
    else:
        assert len(find_links(images)) == 0


def test_links_do_not_depend_on_the_order():
    crops = cut_crops("textured", photos=3).jpegs
    order = np.random.default_rng(0).permutation(len(crops))
    links = find_links(crops)
    turned = find_links([crops[i] for i in order])
    pairs = {frozenset(p) for p in zip(links.first.tolist(), links.second.tolist(), strict=True)}
    again = {
        frozenset((int(order[a]), int(order[b])))
        for a, b in zip(turned.first, turned.second, strict=True)
    }
    assert pairs == again


def test_groups_are_connected_components():
    groups = connected_groups(6, make_links((1, 2), (2, 4), (3, 5)))
    assert groups.tolist() == [0, 1, 1, 2, 1, 2]


def test_files_between_those_of_one_photo_join_it():
    names = [f"Positive/{n:05d}.jpg" for n in (1, 2, 3, 4, 5, 6)] + ["Negative/00002.jpg"]
    numbers = run_numbers(names)
    assert numbers.tolist() == [1, 2, 3, 4, 5, 6, -1]
    # 1 and 3 are one photo, so 2 is too; 4 and 6 are another, with 5; the Negative stays alone.
    links = make_links((0, 2), (3, 5))
    assert connected_groups(7, links, numbers=numbers).tolist() == [0, 0, 0, 1, 1, 1, 2]
    # Interleaved photos do not enclose each other: 2 lies within 1-3, but 5 with it outside.
    links = make_links((0, 2), (1, 4))
    assert connected_groups(7, links, numbers=numbers).tolist() == [0, 1, 0, 2, 1, 3, 4]


def test_a_chain_is_cut_at_its_weakest_links():
    strong = make_links((0, 1), (1, 2), (3, 4), (4, 5), correlation=0.95)
    bridge = make_links((2, 3), correlation=0.56)
    links = Links(*(np.r_[a, b] for a, b in zip(vars(strong).values(), vars(bridge).values())))  # noqa: B905
    assert connected_groups(6, links).tolist() == [0] * 6
    assert connected_groups(6, links, largest=0.5).tolist() == [0, 0, 0, 1, 1, 1]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_splits_keep_groups_whole_balance_classes_and_ignore_order(seed):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 300, 1500)
    labels = rng.integers(0, 2, 1500)
    keys = [f"{i:05d}" for i in range(1500)]
    splits = assign_splits(groups, labels, keys)
    for group in range(300):
        assert len(set(splits[groups == group])) <= 1
    for split, share in enumerate((0.8, 0.1, 0.1)):
        assert abs((splits == split).mean() - share) < 0.01
        assert abs(labels[splits == split].mean() - labels.mean()) < 0.02
    order = rng.permutation(1500)
    again = assign_splits(groups[order] + 7, labels[order], [keys[i] for i in order])
    np.testing.assert_array_equal(again, splits[order])


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(1, 30), min_size=3, max_size=9),
    st.lists(st.integers(1, 30), min_size=3, max_size=9),
    st.integers(0, 5),
)
def test_few_groups_still_give_every_split_both_classes(sound, cracked, seed):
    """Dealt by size alone, five photos of one size all came into train and validation."""
    groups = np.repeat(np.arange(len(sound) + len(cracked)), [*sound, *cracked])
    labels = np.repeat([0, 1], [sum(sound), sum(cracked)])
    splits = assign_splits(groups, labels, [str(i) for i in range(len(groups))], seed=seed)
    assert {(s, c) for s, c in zip(splits, labels, strict=True)} == {
        (split, label) for split in (TRAIN, VALIDATION, TEST) for label in (0, 1)
    }
    assert all(len(set(splits[groups == group])) == 1 for group in set(groups))


def test_a_split_without_a_share_stays_empty():
    splits = assign_splits(np.arange(4), np.arange(4) % 2, "abcd", fractions=(0.9, 0.1, 0.0))
    assert sorted(splits) == [TRAIN, TRAIN, VALIDATION, VALIDATION]
    assert assign_splits(np.arange(0), np.arange(0), []).tolist() == []


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(*[st.integers(-1, 4)] * 3), min_size=1, max_size=12))
def test_joined_groups_hold_whatever_any_grouping_puts_together(rows):
    groupings = np.array(rows).T
    joined = join_groups(*groupings)
    linked = [
        {j for j, other in enumerate(rows) if any(a == b >= 0 for a, b in zip(row, other))}  # noqa: B905
        for row in rows
    ]
    for i in range(len(rows)):
        reached, waiting = {i}, [i]
        while waiting:
            new = linked[waiting.pop()] - reached
            reached |= new
            waiting += new
        assert {j for j in range(len(rows)) if joined[j] == joined[i]} == reached
    assert joined[0] == 0


def test_copies_may_share_a_key_within_their_group():
    splits = assign_splits(np.array([0, 0, 1, 2]), np.array([0, 0, 1, 1]), ["a", "a", "b", "c"])
    assert splits[0] == splits[1]


def test_splits_refuse_bad_arguments():
    with pytest.raises(ValueError, match="add up to 1"):
        assign_splits(np.arange(3), np.arange(3), "abc", fractions=(0.5, 0.1, 0.1))
    with pytest.raises(ValueError, match="distinct"):
        assign_splits(np.arange(3), np.arange(3), ["a", "a", "b"])


def test_leakage_counts_test_images_known_from_train():
    # 0 train; 1 its twin in test; 2 overlaps 0, in test; 3 a twin of 2, in test; 4 alone, in test;
    # 5 in test overlaps 3's photo only in test.
    twins = make_links((0, 1), (2, 3), kind=TWIN)
    overlaps = make_links((0, 2), (3, 5))
    links = Links(*(np.r_[a, b] for a, b in zip(vars(twins).values(), vars(overlaps).values())))  # noqa: B905
    splits = np.array([TRAIN, TEST, TEST, TEST, TEST, TEST])
    found = leakage(links, splits, np.array([1, 1, 1, 1, 0, 1]))
    assert found["test_images"] == 5
    assert found["twin"] == pytest.approx(1 / 5)
    assert found["twin_or_overlap"] == pytest.approx(3 / 5)
    assert found["by_class"][0] == {"twin": 0.0, "twin_or_overlap": 0.0}
    assert twin_groups(6, links).tolist() == [0, 0, 1, 1, 2, 3]


def test_table_round_trip(tmp_path):
    rows = [{"key": content_key(data), "twin_group": 3, "group": 2} for data in (b"b", b"a")]
    save_table(tmp_path / "groups.csv", rows)
    loaded = load_table(tmp_path / "groups.csv")
    assert loaded == {row["key"]: {"twin_group": 3, "group": 2} for row in rows}
    assert list(loaded) == sorted(loaded)


def test_correlation_matches_numpy():
    rng = np.random.default_rng(0)
    a = rng.integers(-127, 128, (30, 40)).astype(np.int8)
    b = np.clip(a + rng.integers(-9, 10, a.shape), -127, 127).astype(np.int8)
    assert correlation(a, b) == pytest.approx(np.corrcoef(a.ravel(), b.ravel())[0, 1], abs=1e-6)
    assert correlation(a, np.zeros_like(a)) == 0.0


def test_what_opencv_cannot_read_is_left_to_the_caller() -> None:
    wall = make_photo("plain", 3)[:227, :227]
    jpeg = cv2.imencode(".jpg", wall)[1].tobytes()
    asked = []

    def decode(encoded: bytes) -> np.ndarray:
        asked.append(encoded)
        return np.repeat(wall[..., None], 3, axis=2) if wall.ndim == 2 else wall

    links = find_links([jpeg, b"an icon", b"\xff\xd8\xff no JPEG"], decode=decode)
    assert sorted(asked) == [b"an icon", b"\xff\xd8\xff no JPEG"]
    assert links.kind.tolist() == [TWIN] * len(links)
    assert {0, 1, 2} == {*links.first.tolist(), *links.second.tolist()}
