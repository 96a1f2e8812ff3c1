"""What the pictures draw, read back from their figures."""

import dataclasses
import shutil

import matplotlib.colors
import numpy as np
import pytest
import sklearn.metrics

from crackdet.errors import CrackdetError
from crackdet.files import read_json, write_json
from crackdet.report import write_report, write_search_pictures
from crackdet.report.entries import Entries
from crackdet.report.figures import (
    curves,
    decisions,
    detection,
    images,
    scores,
    search_pictures,
    stress,
)
from crackdet.report.figures.history import history
from crackdet.report.figures.theme import VERMILION
from crackdet.report.page import render_page as make_page
from crackdet.report.run import read_run
from crackdet.runs.files import SEARCH, SEARCH_OPTIONS, TRIALS
from crackdet.runs.trials import Trials, read_trials, write_trials


@pytest.fixture(scope="module")
def run(written_run):
    return read_run(written_run)


def named(axes, beginning):
    """The line of a legend's name."""
    (line,) = [line for line in axes.get_lines() if str(line.get_label()).startswith(beginning)]
    return line.get_xydata()


def change_metrics(folder, **test):
    metrics = read_json(folder / "metrics.json")
    metrics["after"]["test"] |= test
    write_json(folder / "metrics.json", metrics)
    return read_run(folder)


def test_confusion_has_true_classes_on_rows_negative_first(run):
    axes = decisions.confusion(run).figure.axes[0]
    (tn, fp), (fn, tp) = run.metrics["after"]["test"]["confusion"]
    texts = {text.get_position(): text.get_text() for text in axes.texts}
    for (column, row), count in {(0, 0): tn, (1, 0): fp, (0, 1): fn, (1, 1): tp}.items():
        total = (tn + fp, fn + tp)[row]
        assert texts[(column, row)] == f"{count}\n{100 * count / total:.2f} %"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["negative", "positive"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["negative", "positive"]
    bottom, top = axes.get_ylim()
    assert bottom > top  # Row 0, negative, is at the top.


def test_areas_under_stress_stand_in_their_cells(run):
    axes = stress.stress_scores(run).figure.axes[0]
    texts = {text.get_position(): text.get_text() for text in axes.texts}
    families = run.metrics["stress"]["families"]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [*families, "mean"]
    for row, name in enumerate(families):
        for column, severity in enumerate("12345"):
            area = families[name]["severities"][severity]["auroc"]
            assert texts[(column, row)] == f"{area:.2f}"
        assert texts[(5, row)] == f"{families[name]['auroc']:.2f}"
    assert texts[(5, len(names) - 1)] == f"{run.metrics['stress']['auroc']:.2f}"


def test_missed_cracks_under_stress_have_a_red_border(run):
    axes = stress.stress_pictures(run).figure.axes
    red = [
        each.spines["top"].get_edgecolor() == matplotlib.colors.to_rgba(VERMILION) for each in axes
    ]
    assert red == run.samples["stress_wrong"].tolist()
    assert [each.get_title(loc="left") for each in axes[::5]] == ["joints", "rust", "twigs"]
    few = stress.draw_grid(run.samples["stress_images"], ["joints", "rust"], [2, 1]).axes
    assert [each.get_title(loc="left") for each in few[::2]] == ["joints", "rust"]


def test_a_run_without_painting_or_stress_has_no_picture_of_it(run):
    def fail(name):
        raise AssertionError(name)

    kept = {k: value for k, value in run.metrics.items() if k not in ("stress", "detection")}
    of_it = ("painted", "stress")
    samples = {key: value for key, value in run.samples.items() if not key.startswith(of_it)}
    other = dataclasses.replace(run, metrics=Entries(kept, fail), samples=Entries(samples, fail))
    assert images.painted(other) is None
    assert stress.stress_scores(other) is None
    assert stress.stress_pictures(other) is None
    assert detection.detection(other) is None


def test_detection_is_the_curve_and_its_words(run):
    picture = detection.detection(run)
    facts = run.metrics["detection"]["contrasts"]["0.3"]
    drawn = named(picture.figure.axes[0], "contrast 0.3")
    assert drawn[:, 1].tolist() == facts["curve"]["pod"]
    width = f"{facts['a90']:.2g}"
    assert f"Of contrast 0.3, a crack of {width} px (of 224) is found in 90 %" in picture.alt
    assert "raise an alarm" in picture.alt


def test_roc_is_the_curve_and_the_point_of_the_row(run):
    axes = curves.roc(run).figure.axes[0]
    row = run.metrics["after"]["test"]
    drawn = named(axes, "model")
    assert sklearn.metrics.auc(drawn[:, 0], drawn[:, 1]) == pytest.approx(row["auroc"])
    assert named(axes, "threshold")[0] == pytest.approx([row["false_alarm_rate"], row["recall"]])


def test_precision_recall_is_the_curve_and_the_point_of_the_row(run):
    axes = curves.precision_recall(run).figure.axes[0]
    row = run.metrics["after"]["test"]
    drawn = named(axes, "model")
    area = -np.sum(np.diff(drawn[:, 0]) * drawn[:-1, 1])
    assert area == pytest.approx(row["average_precision"])
    assert named(axes, "threshold")[0] == pytest.approx([row["recall"], row["precision"]])


def test_the_inset_holds_the_operating_point(run):
    row = run.metrics["after"]["test"]
    for picture, point in (
        (curves.roc(run), (row["false_alarm_rate"], row["recall"])),
        (curves.precision_recall(run), (row["recall"], row["precision"])),
    ):
        (inset,) = picture.figure.axes[0].child_axes
        for value, (low, high) in zip(point, (inset.get_xlim(), inset.get_ylim()), strict=True):
            assert low < value < high
            assert high - low < 0.4


def test_a_weak_classifier_has_no_inset(run_dir):
    run = change_metrics(run_dir, auroc=0.8, average_precision=0.8)
    assert curves.roc(run).figure.axes[0].child_axes == []
    assert curves.precision_recall(run).figure.axes[0].child_axes == []


def test_reliability_counts_every_image(run):
    axes, counts = scores.reliability(run).figure.axes
    assert sum(bar.get_height() for bar in counts.patches) == len(run.test.labels)
    points = named(axes, "images")
    assert ((points >= 0) & (points <= 1)).all()
    assert (np.diff(points[:, 0]) > 0).all()


def test_points_on_the_wrong_side_are_crosses(run):
    axes = decisions.predicted_against_true(run).figure.axes[0]
    right, wrong = axes.collections
    (tn, fp), (fn, tp) = run.metrics["after"]["test"]["confusion"]
    assert (len(right.get_offsets()), len(wrong.get_offsets())) == (tn + tp, fp + fn)
    for x, y in wrong.get_offsets():
        assert (y >= run.threshold) == (round(x) == 0)


def test_history_marks_phases_and_the_best_epoch(run):
    upper, lower = history(run).figure.axes
    losses = [float(row["val_loss"]) for row in run.history]
    best = int(np.argmin(losses))
    for axes, name in ((upper, "val_loss"), (lower, "val_accuracy")):
        values = [float(row[name]) for row in run.history]
        assert named(axes, "validation")[:, 1] == pytest.approx(values)
        (circle,) = [line for line in axes.get_lines() if line.get_fillstyle() == "none"]
        assert circle.get_xydata()[0] == pytest.approx([best + 1, values[best]])
        (dashed,) = [line for line in axes.get_lines() if line.get_linestyle() == "--"]
        assert dashed.get_xdata()[0] == 3.5
    assert [text.get_text() for text in upper.texts] == ["head", "fine tune"]


def test_under_stress_that_loss_tells_the_best_epoch(run):
    stressed = [1.0, 0.8, 0.7, 0.5, 0.6, 0.65, 0.66, 0.7, 0.8, 0.9]
    rows = [
        {**row, "val_stress_loss": str(loss), "val_stress_accuracy": str(1 - loss / 2)}
        for row, loss in zip(run.history, stressed, strict=True)
    ]
    picture = history(dataclasses.replace(run, history=rows))
    upper, lower = picture.figure.axes
    for axes, value in ((upper, 0.5), (lower, 0.75)):
        assert named(axes, "under stress")[3] == pytest.approx([4, value])
        (circle,) = [line for line in axes.get_lines() if line.get_fillstyle() == "none"]
        assert circle.get_xydata()[0] == pytest.approx([4, value])
    assert "Lowest loss under stress: 0.5000, epoch 4." in picture.alt


def test_each_of_several_trainings_has_its_best_epoch(run):
    cases = zip(run.history, "11122", (0.5, 0.4, 0.45, 0.6, 0.3), strict=False)
    rows = [{**row, "member": n, "phase": "head", "val_loss": str(loss)} for row, n, loss in cases]
    picture = history(dataclasses.replace(run, history=rows))
    circles = [x for x in picture.figure.axes[0].get_lines() if x.get_fillstyle() == "none"]
    assert [line.get_xydata()[0].tolist() for line in circles] == [[2, 0.4], [5, 0.3]]
    assert [text.get_text() for text in picture.figure.axes[0].texts] == ["head 1", "head 2"]
    assert "of 2 trainings, whose mean counts" in picture.caption


def test_history_of_one_epoch_and_one_phase(run_dir):
    rows = (run_dir / "history.csv").read_text().splitlines(keepends=True)
    (run_dir / "history.csv").write_text("".join(rows[:2]))
    picture = history(read_run(run_dir))
    assert "Dashed" not in picture.caption
    (run_dir / "history.csv").write_text(rows[0])
    assert history(read_run(run_dir)) is None
    assert "no training history" in make_page(read_run(run_dir), {})


def test_grids_name_what_they_show(run):
    def titles(picture):
        return [axes.get_title(loc="left") for axes in picture.figure.axes]

    assert titles(images.examples(run)) == ["negative", "positive"] * 4 + ["negative"]
    assert len(titles(images.augmentations(run))) == 9
    shown = titles(images.predictions(run))
    scores, labels = run.samples["test_scores"], run.samples["test_labels"]
    for title, score, label in zip(shown, scores, labels, strict=True):
        mark = "✓" if (score >= run.threshold) == (label == 1) else "✗"
        assert title == f"{run.class_names[label]}\n{mark} {score:.3f}"
    worst = titles(images.mistakes(run))
    count = int(run.samples["mistake_wrong"].sum())
    assert all("missed" in t or "false alarm" in t for t in worst[:count])
    assert all("right" in title for title in worst[count:])
    losses = [float(title.rpartition(" ")[2]) for title in worst[:count]]
    assert losses == sorted(losses, reverse=True)


def test_painted_views_stand_beside_their_image_with_their_label(run):
    picture = images.painted(run)
    shown = [axes.get_title(loc="left") for axes in picture.figure.axes]
    assert shown == ["sound, as it is", "still sound", "now cracked"] * 4
    drawn = [axes.get_images()[0].get_array() for axes in picture.figure.axes]
    np.testing.assert_array_equal(drawn[3], run.samples["painted_originals"][1])
    np.testing.assert_array_equal(drawn[5], run.samples["painted_images"][1, 1])
    assert "4 of the 8 views got a crack" in picture.alt


def test_a_run_without_mistakes_says_so(run_dir):
    with np.load(run_dir / "samples.npz") as arrays:
        samples = dict(arrays)
    samples["mistake_wrong"][:] = False
    samples["mistake_count"] = np.array(0)
    np.savez(run_dir / "samples.npz", **samples)
    assert images.mistakes(read_run(run_dir)).alt.startswith(
        "The 0 worst mistakes of 0 on test images"
    )
    assert "0 mistakes on test images." in make_page(read_run(run_dir), {})


def test_a_test_split_of_one_class_is_reported_without_curves(run_dir):
    undefined = dict.fromkeys(("auroc", "average_precision", "recall", "precision", "f1"))
    metrics = read_json(run_dir / "metrics.json")
    row = metrics["after"]["test"]
    row |= undefined | {"positives": 0, "positive_groups": 0, "confusion": [[400, 0], [0, 0]]}
    row["intervals"] |= undefined
    write_json(run_dir / "metrics.json", metrics)
    text = write_report(run_dir).read_text("utf-8")
    assert "No patch judged is cracked." in text
    names = {path.stem for path in (run_dir / "pictures").iterdir()}
    assert "confusion" in names
    assert not {"roc", "precision_recall"} & names


def test_each_hyperparameter_is_drawn_with_best_and_failed(run):
    pictures = {picture.name: picture for picture in search_pictures(run.trials)}
    finished = [row for row in run.trials.rows if row["val_loss"]]
    best = min(finished, key=lambda row: float(row["val_loss"]))
    for name in ("dropout", "learning_rate", "unfreeze_depth"):
        axes = pictures[f"search_{name}"].figure.axes[0]
        drawn = named(axes, "finished")
        assert sorted(drawn[:, 1]) == sorted(float(row["val_loss"]) for row in finished)
        assert named(axes, "best")[0] == pytest.approx([float(best[name]), float(best["val_loss"])])
        assert len(named(axes, "failed")) == 2
        assert axes.get_xscale() == ("log" if name == "learning_rate" else "linear")


def test_parallel_coordinates_have_a_line_for_each_trial(run):
    axes = next(p for p in search_pictures(run.trials) if p.name == "search_parallel").figure.axes[
        0
    ]
    lines = [line for line in axes.get_lines() if len(line.get_xdata()) == 4]
    assert len(lines) == 12
    heights = np.array([line.get_ydata() for line in lines])
    assert heights.min(axis=0).tolist() == [0] * 4
    assert heights.max(axis=0).tolist() == [1] * 4
    (best,) = [line for line in lines if matplotlib.colors.same_color(line.get_color(), VERMILION)]
    assert best.get_ydata()[3] == 0


def rewrite_trials(folder, change):
    rows = read_trials(folder / SEARCH).rows
    write_trials(folder / SEARCH, change(rows))
    return read_run(folder)


def test_an_objective_to_maximise_is_best_at_its_top(run_dir):
    write_json(run_dir / SEARCH / SEARCH_OPTIONS, {"objective": "val_accuracy"})
    run = read_run(run_dir)
    assert run.trials.objective == "val_accuracy"
    top = max(float(row["val_accuracy"] or 0) for row in run.trials.rows)
    axes = search_pictures(run.trials)[0].figure.axes[0]
    assert named(axes, "best")[0][1] == top


def test_a_search_whose_trials_all_failed_has_a_table_and_no_picture(run_dir):
    run = rewrite_trials(run_dir, lambda rows: [row for row in rows if row["error"]])
    assert search_pictures(run.trials) == []
    assert "2 trials, 2 failed" in make_page(run, {})


def test_one_trial_is_a_search_too(run_dir):
    run = rewrite_trials(run_dir, lambda rows: rows[:1])
    assert len(search_pictures(run.trials)) == 4
    assert "1 trial; the objective" in make_page(run, {})


def test_a_search_that_halves_and_prunes_says_so(run_dir):
    def halve(rows):
        worst = max(rows, key=lambda row: float(row["val_loss"] or 0))
        rows = [{**row, "images": "100"} for row in rows if row["val_loss"]]
        for row in rows:
            if row["trial"] == worst["trial"]:
                row.update(images="400")  # the worst loss, but the only one on more images
            elif row["trial"] == "0000":
                row.update(status="pruned")
        return rows

    run = rewrite_trials(run_dir, halve)
    assert run.trials.finished()[0]["images"] == "400"
    axes = search_pictures(run.trials)[0].figure.axes[0]
    assert len(named(axes, "100 images")) == 10
    assert len(named(axes, "400 images")) == len(named(axes, "pruned")) == 1
    assert named(axes, "best")[0][1] == float(run.trials.finished()[0]["val_loss"])
    parallel = search_pictures(run.trials)[-1].figure.axes[0]
    labels = [label.get_text() for label in parallel.get_xticklabels()]
    assert labels == ["dropout", "learning\nrate", "unfreeze\ndepth", "images", "validation\nloss"]
    text = make_page(run, {})
    assert "12 trials, 1 pruned" in text
    assert "11 trials on 100, 1 trial on 400 images" in text


def test_the_page_says_how_many_views_were_cached(run_dir):
    config = read_json(run_dir / "config.json")
    config["options"] |= {"views": 3, "search_views": 1}
    write_json(run_dir / "config.json", config)
    text = make_page(read_run(run_dir), {})
    assert "3 views of each image: the image itself and 2 augmented ones." in text
    assert "1 view of each image: the image itself, not augmented." in text
    config["options"] |= {"views": 2, "painting": 1.0}
    write_json(run_dir / "config.json", config)
    text = make_page(read_run(run_dir), {})
    assert "2 views of each image: the image itself and 1 painted and augmented one." in text


def test_a_search_alone_has_its_pictures(tmp_path, run_dir):
    (tmp_path / SEARCH).mkdir()
    for name in (TRIALS, SEARCH_OPTIONS):
        shutil.copy(run_dir / SEARCH / name, tmp_path / SEARCH)
    names = ("dropout", "learning_rate", "unfreeze_depth", "parallel")
    expected = [tmp_path / "pictures" / f"search_{name}.png" for name in names]
    assert write_search_pictures(tmp_path) == expected
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in expected)
    with pytest.raises(CrackdetError, match=r"trials.csv is missing"):
        write_search_pictures(tmp_path / "elsewhere")


def test_losses_of_different_magnitude_get_a_logarithmic_axis(run_dir):
    def spread(rows):
        rows[0]["val_loss"] = "250.0"
        return rows

    pictures = search_pictures(rewrite_trials(run_dir, spread).trials)
    assert pictures[0].figure.axes[0].get_yscale() == "log"


def test_close_values_are_told_apart(run_dir):
    def flatten(rows):
        for row, loss in zip(rows, (0.69310, 0.69312), strict=False):
            row["val_loss"] = str(loss)
        return rows[:2]

    pictures = search_pictures(rewrite_trials(run_dir, flatten).trials)
    ends = [text.get_text() for text in pictures[-1].figure.axes[0].texts[-2:]]
    assert ends == ["0.6931", "0.69312"]
    depth = next(p for p in pictures if p.name == "search_unfreeze_depth").figure.axes[0]
    assert (depth.get_xticks() == np.round(depth.get_xticks())).all()


def test_a_pruned_trial_is_not_called_the_best():
    rows = [
        {"trial": "0", "status": "pruned", "images": "100", "val_accuracy": "0.9"},
        {"trial": "1", "status": "completed", "images": "100", "val_accuracy": "0.8"},
    ]
    trials = Trials(rows, "val_accuracy")
    assert [row["trial"] for row in trials.finished()] == ["1", "0"]
