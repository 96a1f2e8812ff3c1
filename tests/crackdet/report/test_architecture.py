"""The drawn architecture, read back from its figure."""

import dataclasses

import pytest

from crackdet.report.figures.architecture import architecture, merge_alike
from crackdet.report.run import read_run
from crackdet.report.words import shape


@pytest.fixture(scope="module")
def run(written_run):
    return read_run(written_run)


def test_architecture_draws_a_box_for_each_stage(run):
    picture = architecture(run)
    axes = picture.figure.axes[0]
    stages = merge_alike(run.architecture["stages"])
    assert len(axes.patches) == len(stages) < len(run.architecture["stages"])
    texts = [text.get_text() for text in axes.texts]
    assert {stage["name"] for stage in stages} <= set(texts)
    widths = [box.get_width() for box in axes.patches]
    assert widths[0] == max(widths)
    assert f"{run.architecture['trainable_params']:,} are trained" in picture.alt


def test_a_stage_that_branches_off_names_what_it_takes(run):
    *_, dropout, predictions = run.architecture["stages"]
    crack_map = {**dropout, "name": "crack_map", "inputs": ["block_13"]}
    whole = {**run.architecture, "stages": [*run.architecture["stages"]]}
    before = len(architecture(run).figure.axes[0].lines)
    whole["stages"][-2:] = [crack_map, {**dropout, "inputs": ["pooling", "crack_map"]}, predictions]
    axes = architecture(dataclasses.replace(run, architecture=whole)).figure.axes[0]
    arrow = "\N{LEFTWARDS ARROW}"
    texts = [text.get_text() for text in axes.texts]
    assert [text for text in texts if arrow in text] == [f"{arrow} block_13", f"{arrow} pooling"]
    assert len(axes.lines) == before


def test_alike_stages_join_and_different_ones_do_not():
    def stage(name, sizes, trained=0):
        return {
            "name": name,
            "type": "stage",
            "output_shape": sizes,
            "params": 5,
            "trainable_params": trained,
        }

    stages = [
        stage("block_1", [8, 8, 4]),
        stage("block_2", [8, 8, 4]),
        stage("block_3", [8, 8, 4], trained=5),
        stage("block_4", [4, 4, 4], trained=5),
        stage("Conv_1", [4, 4, 4], trained=5),
    ]
    merged = merge_alike(stages)
    dash = "\N{EN DASH}"
    assert [s["name"] for s in merged] == [f"block_1 {dash} 2", "block_3", f"block_4 {dash} Conv_1"]
    assert [s["params"] for s in merged] == [10, 5, 10]
    assert stages[0]["params"] == 5
    assert shape([None, 4]) == "? \N{MULTIPLICATION SIGN} 4"
    assert shape(None) == shape([]) == dash
