"""Groups stay whole, splits are balanced, and what leaks says so."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfds_builder.concrete_cracks import Builder, prepare, sources, splits
from tfds_builder.concrete_cracks import concrete_cracks_dataset_builder as builder_module
from tfds_builder.concrete_cracks.make_dummy_data import dummy_images

DUMMY_DATA = Path(sources.__file__).with_name("dummy_data")
Members = dict[str, bytes]
Reader = Callable[[Any], dict[str, list[Any]]]


def test_groups_are_the_walls_and_stay_whole(
    small: None, tmp_path: Path, read_examples: Reader
) -> None:
    wall_of = {name: wall for name, _, _, wall in dummy_images()}
    examples = read_examples(prepare("grouped", data_dir=tmp_path, manual_dir=DUMMY_DATA))
    walls, splits_of = defaultdict(set), defaultdict(set)
    for split, found in examples.items():
        assert Counter(int(e["label"]) for e in found)[0] == len(found) / 2
        for e in found:
            walls[int(e["group"])].add(wall_of[e["filename"].decode()])
            splits_of[int(e["group"])].add(split)
    assert sorted(map(tuple, walls.values())) == [(wall,) for wall in range(20)]
    assert all(len(found) == 1 for found in splits_of.values())


@pytest.mark.parametrize("config", ["random", "twins"])
def test_configs_for_comparison_are_stratified_and_divide_groups(
    config: str, small: None, tmp_path: Path, read_examples: Reader
) -> None:
    examples = read_examples(prepare(config, data_dir=tmp_path, manual_dir=DUMMY_DATA))
    splits_of = defaultdict(set)
    for split, found in examples.items():
        assert Counter(int(e["label"]) for e in found)[0] == len(found) / 2
        for e in found:
            splits_of[int(e["group"])].add(split)
    assert any(len(found) > 1 for found in splits_of.values())


def test_demo_groups_are_photos_and_stay_whole(
    small_demo: int, tmp_path: Path, read_examples: Reader
) -> None:
    examples = read_examples(prepare("demo", data_dir=tmp_path))
    groups = {split: {int(e["group"]) for e in found} for split, found in examples.items()}
    assert groups == {"train": set(range(8)), "validation": {8}, "test": {9}}
    for found in examples.values():
        assert Counter(int(e["label"]) for e in found)[0] == len(found) / 2


def test_the_whole_demo_is_split_80_10_10(monkeypatch: pytest.MonkeyPatch) -> None:
    blank = np.zeros((8, 8, 3), np.uint8)
    monkeypatch.setattr(builder_module.procedural, "demo_image", lambda i: (blank, i % 2))
    counts = Counter()
    for split in splits.SPLITS:
        for _, example in builder_module._demo_examples(split):
            counts[split, example["label"]] += 1
    assert counts == {
        ("train", 0): 480,
        ("train", 1): 480,
        ("validation", 0): 60,
        ("validation", 1): 60,
        ("test", 0): 60,
        ("test", 1): 60,
    }


def source_images(members: Members) -> list[sources.SourceImage]:
    return [
        sources.SourceImage(name, int(name.startswith("P")), jpeg, sources.content_key(jpeg))
        for name, jpeg in members.items()
    ]


def test_the_shipped_table_decides_when_it_knows_every_image(
    dummy_members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = source_images(dummy_members)
    # Not what the images show: four walls, of eight crops each.
    table = {
        image.key: {"group": i % 4, "twin_group": i // 2 * 2 + i % 4}
        for i, image in enumerate(images)
    }
    monkeypatch.setattr(splits, "shipped_table", lambda: table)
    for config, unit in (("grouped", "group"), ("twins", "twin_group")):
        placements = splits.place(images, config)
        assert len({placement.name for placement in placements}) == len(images)
        split_of = defaultdict(set)
        for image, placement in zip(images, placements, strict=True):
            assert placement.group == table[image.key]["group"]
            split_of[table[image.key][unit]].add(placement.split)
        assert all(len(found) == 1 for found in split_of.values())
    assert {placement.split for placement in splits.place(images, "random")} == set(splits.SPLITS)

    table.popitem()  # One unknown image: groups are worked out for all.
    assert len({placement.group for placement in splits.place(images, "grouped")}) == 20


def test_leaky_configs_tell_how_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits, "shipped_leakage", dict)
    assert "%" not in builder_module._leaky_description("random", "at random")
    leak = {"random": {"twin": 0.361, "twin_or_overlap": 0.5432}}
    monkeypatch.setattr(splits, "shipped_leakage", lambda: leak)
    told = builder_module._leaky_description("random", "at random")
    assert "36.1% of them have a twin" in told
    assert "54.3% a twin or an overlapping crop" in told


@pytest.mark.parametrize("config", ["random", "twins"])
def test_the_measured_leak_stands_in_the_description(config: str) -> None:
    leak = json.loads(DUMMY_DATA.with_name("leakage.json").read_text("utf-8"))[config]
    description = Builder.builder_configs[config].description
    assert f"{leak['twin']:.1%} of them have a twin" in description
    assert f"{leak['twin_or_overlap']:.1%}" in description
