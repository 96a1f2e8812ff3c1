"""The stress validation: balance, seeds, labels that are right, and what takes it for a split."""

import pickle

import numpy as np
import pytest

from crackdet.data import CrackData, ImageSplit
from crackdet.stress import FAMILIES, StressSplit, stress_split
from crackdet.stress.cracks import GRADES, crack
from crackdet.stress.distance import faded
from crackdet.stress.drawing import grey

SIDE = 64


def walls(count: int = 12) -> ImageSplit:
    """Grey walls with grain; the second half has a dark bar across."""
    rng = np.random.default_rng(0)
    images = rng.normal(150, 4, (count, SIDE, SIDE, 3)).clip(0, 255).astype(np.uint8)
    labels = np.arange(count) // (count // 2)
    images[labels == 1, :, 30:33] = 40
    return CrackData.from_arrays(*[(images, labels)] * 3).validation


@pytest.fixture(scope="module")
def stress() -> StressSplit:
    return stress_split(walls(), images=10 * len(FAMILIES), threads=2)


def test_each_family_and_severity_holds_a_sound_and_a_cracked_picture(stress: StressSplit) -> None:
    cells = list(zip(stress.families, stress.severities.tolist(), stress.labels, strict=True))
    assert len(set(cells)) == len(cells) == len(FAMILIES) * 5 * 2
    assert stress.image(0).shape == (SIDE, SIDE, 3)
    cracked = [key for key, label in zip(stress.digests, stress.labels, strict=True) if label]
    assert len(set(cracked)) == len(cracked)


def test_the_pictures_are_those_of_the_seed_whatever_the_threads(stress: StressSplit) -> None:
    few = 2 * len(FAMILIES)
    assert stress_split(walls(), images=few, threads=1).digests == stress.digests[:few]
    other = stress_split(walls(), images=few, seed=1)
    # A sound wall may be shown as it is, and again with another seed; a crack is never the same.
    assert not set(other.digests[1::2]) & set(stress.digests[1::2])


def test_half_of_the_walls_are_made_up_and_have_groups_of_their_own(stress: StressSplit) -> None:
    made_up = np.array([key.endswith(" made up") for key in stress.keys])
    families = np.array(stress.families)
    assert made_up[families == "scenes"].all()
    assert not made_up[families == "zoomed out"].any()
    both = ~np.isin(families, ["scenes", "zoomed out"])
    assert 0.3 < made_up[both].mean() < 0.7
    known = set(walls().groups)
    assert set(stress.groups[~made_up]) <= known
    assert not set(stress.groups[made_up]) & known
    # Both pictures of a pair stand on one surface.
    assert (stress.groups[made_up][::2] == stress.groups[made_up][1::2]).all()


def test_a_part_of_it_knows_its_families(stress: StressSplit) -> None:
    part = pickle.loads(pickle.dumps(stress.subset([5, 3], shuffle=True))).in_order()
    assert isinstance(part, StressSplit)
    assert part.families == [stress.families[5], stress.families[3]]
    assert part.severities.tolist() == stress.severities[[5, 3]].tolist()
    np.testing.assert_array_equal(part.image(1), stress.image(3))
    sample = stress.stratified(20)
    assert sample.families == [stress.families[stress.keys.index(key)] for key in sample.keys]


def test_what_cannot_be_made_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="even number"):
        stress_split(walls(), images=3)
    cracked = walls().subset(range(6, 12))
    with pytest.raises(ValueError, match="No sound picture is in the validation split"):
        stress_split(cracked, images=2)
    # Without real cracks all are painted.
    assert stress_split(walls().subset(range(6)), images=2 * len(FAMILIES)).labels.mean() == 0.5


@pytest.mark.parametrize("severity", GRADES)
def test_a_crack_of_each_grade_is_there_and_fainter_than_the_one_before(severity: int) -> None:
    wall = np.random.default_rng(1).normal(150, 4, (224, 224, 3)).astype(np.float32)
    drawn = [grey(wall - crack(wall, severity, np.random.default_rng(seed))) for seed in range(4)]
    assert all(np.sum(each > 0.1) > 60 for each in drawn)
    assert min(each.min() for each in drawn) > -1e-3  # never lighter
    deepest = float(np.mean([each.max() for each in drawn]))
    assert {1: 45, 2: 20, 3: 11, 4: 9, 5: 6}[severity] < deepest
    assert deepest < {1: 150, 2: 60, 3: 40, 4: 30, 5: 22}[severity]


def test_a_crack_is_hidden_where_something_lies_over_it() -> None:
    wall = np.full((64, 64, 3), 150, np.float32)
    hidden = np.zeros((64, 64), np.float32)
    hidden[:, :32] = 1
    cracked = crack(wall, 1, np.random.default_rng(0), hidden)
    assert np.abs(cracked - wall)[:, :30].max() < 1e-3
    assert np.abs(cracked - wall)[:, 34:].max() > 20


def test_fading_takes_from_the_crack_and_leaves_the_wall() -> None:
    wall = walls()
    cracked = wall.image(11).astype(np.float32)
    paler = faded(cracked, np.full((SIDE, SIDE), 0.5, np.float32))
    before, after = grey(cracked)[:, 31].mean(), grey(paler)[:, 31].mean()
    assert 0.4 < (150 - after) / (150 - before) < 0.7
    assert np.abs(grey(paler - cracked)[:, :20]).mean() < 2
