"""The images that the report shows, and the table of the architecture."""

import io

import keras
import numpy as np
import pytest

from crackdet.evaluation.architecture import architecture
from crackdet.evaluation.samples import (
    augmented_views,
    balanced_choice,
    collect_samples,
    image_losses,
    painted_samples,
)
from crackdet.training.sources import PaintedBatches
from tests.bars import Bars


def test_samples_hold_what_the_report_shows(data, line_classifier):
    scores = np.random.default_rng(0).random(60)
    samples = collect_samples(line_classifier(), data.train, data.test, scores, threshold=0.4)
    assert samples["example_images"].shape == (9, 16, 16, 3)
    assert sorted(np.bincount(samples["example_labels"])) == [4, 5]
    assert samples["augmented_images"].shape == (9, 16, 16, 3)
    assert samples["test_images"].shape == (16, 16, 16, 3)
    assert np.bincount(samples["test_labels"]).tolist() == [8, 8]
    for prefix, split in (("example", data.train), ("test", data.test), ("mistake", data.test)):
        rows = [split.keys.index(key) for key in samples[f"{prefix}_keys"]]
        assert len(set(rows)) == len(rows)
        assert np.array_equal(samples[f"{prefix}_images"], split.images(rows))
        assert np.array_equal(samples[f"{prefix}_labels"], split.labels[rows])
        if prefix != "example":
            assert np.array_equal(samples[f"{prefix}_scores"], scores[rows])
    original = data.train.keys.index(str(samples["augmented_key"]))
    assert data.train.labels[original] == 1
    assert np.array_equal(samples["augmented_original"], data.train.image(original))


def test_mistakes_come_by_loss_largest_first(data, line_classifier):
    scores = np.random.default_rng(0).random(60)
    samples = collect_samples(line_classifier(), data.train, data.test, scores, threshold=0.4)
    wrong = (scores >= 0.4) != data.test.labels
    losses = -np.log(np.where(data.test.labels == 1, scores, 1 - scores))
    expected = sorted(np.flatnonzero(wrong), key=lambda i: -losses[i])[:12]
    assert [data.test.keys[i] for i in expected] == samples["mistake_keys"].tolist()
    assert samples["mistake_count"] == wrong.sum() > 12
    assert samples["mistake_wrong"].all()


def test_where_mistakes_are_few_the_largest_losses_fill_up(data, line_classifier):
    scores = np.where(data.test.labels == 1, 0.9, 0.1) + np.linspace(0, 0.05, 60)
    scores[[4, 11]] = 0.95, 0.02
    samples = collect_samples(line_classifier(), data.train, data.test, scores, threshold=0.5)
    assert samples["mistake_count"] == 2
    assert samples["mistake_wrong"].tolist() == [True] * 2 + [False] * 10
    assert samples["mistake_keys"][:2].tolist() == [data.test.keys[11], data.test.keys[4]]
    rest = samples["mistake_losses"][2:]
    assert (np.diff(rest) <= 0).all()


def test_samples_repeat_and_survive_a_file(data, line_classifier):
    def collect(seed):
        scores = np.linspace(0, 1, 60)
        return collect_samples(
            line_classifier(), data.train, data.test, scores, threshold=0.5, seed=seed
        )

    first, again, other = collect(0), collect(0), collect(1)
    for name in first:
        assert np.array_equal(first[name], again[name]), name
    assert not np.array_equal(first["example_keys"], other["example_keys"])
    file = io.BytesIO()
    np.savez_compressed(file, **first)
    file.seek(0)
    with np.load(file, allow_pickle=False) as loaded:
        assert all(np.array_equal(loaded[name], first[name]) for name in first)


def test_painted_images_are_those_that_training_is_shown(data):
    samples = painted_samples(Bars(), data.train, seed=5)
    assert samples["painted_images"].shape == (4, 2, 16, 16, 3)
    everything = data.train.images(range(data.train.num_images))
    chosen = [
        next(index for index, image in enumerate(everything) if np.array_equal(image, original))
        for original in samples["painted_originals"]
    ]
    assert len(set(chosen)) == 4
    assert not data.train.labels[chosen].any()
    training = PaintedBatches(data.train.subset(chosen, shuffle=False), Bars(), seed=5)
    for view in (1, 2):
        training.epoch = view
        images, labels = training[0]
        np.testing.assert_allclose(samples["painted_images"][:, view - 1], images, atol=0.5)
        np.testing.assert_array_equal(samples["painted_labels"][:, view - 1], labels)
    assert 0 < samples["painted_labels"].sum() < 8


def test_a_models_own_augmentation_is_shown(data, line_classifier):
    flip_and_darken = keras.Sequential(
        [keras.layers.RandomFlip("horizontal", seed=1), keras.layers.Rescaling(0.5)]
    )
    image = data.train.image(1)
    views = augmented_views(line_classifier(augmentation=flip_and_darken), image, 9)
    half = np.rint(image / 2)
    allowed = (half, half[:, ::-1])
    kinds = {next(i for i, a in enumerate(allowed) if np.allclose(v, a, atol=1)) for v in views}
    assert kinds == {0, 1}


def test_without_one_the_default_augmentation_is_shown(data, line_classifier):
    image = data.train.image(1)
    views = augmented_views(line_classifier(), image, 9)
    assert views.dtype == np.uint8
    assert views.shape == (9, 16, 16, 3)
    assert len({view.tobytes() for view in views}) > 1
    assert np.array_equal(views, augmented_views(line_classifier(), image, 9))


@pytest.mark.parametrize("count", [1, 5, 8, 20])
def test_balanced_choice_is_distinct_and_balanced(count):
    labels = np.array([0] * 3 + [1] * 9)
    chosen = balanced_choice(labels, count, np.random.default_rng(0))
    assert len(set(chosen.tolist())) == len(chosen) == min(count, 12)
    counts = np.bincount(labels[chosen], minlength=2)
    assert abs(counts[0] - counts[1]) <= 1 or counts[0] == 3


def test_losses_are_finite_where_scores_are_certain_and_wrong():
    assert image_losses([1, 0, 1], [0.0, 1.0, 1.0]) == pytest.approx([15.942, 15.942, 0], abs=1e-3)


def test_architecture_counts_what_keras_counts(line_classifier):
    model = line_classifier(augmentation=keras.layers.RandomFlip(name="augmentation"))
    model.get_layer("Conv1").trainable = False
    table = architecture(model)
    assert table["params"] == model.count_params() == (27 * 4 + 4) + (4 * 2 + 2)
    assert table["trainable_params"] == 10
    rows = {row["name"]: row for row in table["layers"]}
    assert list(rows) == [layer.name for layer in model.layers]
    assert rows["Conv1"]["output_shape"] == [14, 14, 4]
    assert rows["Conv1"]["trainable"] is False
    assert rows["predictions"] == {
        "name": "predictions",
        "type": "Dense",
        "output_shape": [2],
        "params": 10,
        "trainable_params": 10,
        "trainable": True,
    }


def test_architecture_of_mobilenet_has_a_stage_for_each_unit():
    base = keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, weights=None, include_top=False)
    table = architecture(base)
    names = [stage["name"] for stage in table["stages"]]
    blocks = [f"block_{n}" for n in range(1, 17)]
    assert names[-19:] == ["Conv1", "expanded_conv", *blocks, "Conv_1"][-19:]
    assert len(names) == 20  # The input is the first.
    assert sum(stage["params"] for stage in table["stages"]) == base.count_params()
    assert sum(stage["layers"] for stage in table["stages"]) == len(base.layers)
    assert table["stages"][-1]["output_shape"] == [1, 1, 1280]


def test_layers_outside_a_graph_have_no_shape():
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3, name="dense")

        def call(self, x):
            return self.dense(x)

    model = Subclassed()
    model(np.zeros((1, 4), np.float32))
    (row,) = architecture(model)["layers"]
    assert row["output_shape"] is None
    assert row["params"] == 15
