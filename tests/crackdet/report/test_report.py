"""The page as a browser and a screen reader take it, and the files it is made from."""

import base64
import copy
import html.parser
import io
import itertools
import re

import numpy as np
import pytest
from PIL import Image

from crackdet.errors import CrackdetError
from crackdet.files import read_json, write_json
from crackdet.report import write_report
from crackdet.report.figures import draw
from crackdet.report.page import render_page as make_page
from crackdet.report.run import read_run

VOID = {"meta", "img"}
PHOTOGRAPHS = {"examples", "augmentations", "painted", "predictions", "mistakes", "stress_pictures"}
PICTURES = {
    "architecture",
    "augmentations",
    "confusion",
    "detection",
    "examples",
    "histograms",
    "history",
    "mistakes",
    "painted",
    "precision_recall",
    "predicted_against_true",
    "predictions",
    "reliability",
    "roc",
    "search_dropout",
    "search_learning_rate",
    "search_parallel",
    "search_unfreeze_depth",
    "stress_pictures",
    "stress_scores",
}


class Page(html.parser.HTMLParser):
    """Collects elements and text, and holds that every element is closed in its place."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.words, self.open = [], [], []
        self.feed(text)
        assert self.open == []
        self.text = " ".join("".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data + " ")

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def text_of(run_dir):
    """The text of the page without its pictures, which take seconds to draw."""
    return Page(make_page(read_run(run_dir), {})).text


@pytest.fixture(scope="session")
def reported(written_run):
    assert write_report(written_run) == written_run / "report.html"
    return written_run


@pytest.fixture(scope="session")
def page(reported):
    return Page((reported / "report.html").read_text("utf-8"))


def test_the_report_stands_beside_its_pictures(reported):
    assert {path.stem for path in (reported / "pictures").iterdir()} == PICTURES
    for path in (reported / "pictures").iterdir():
        with Image.open(path) as image:
            assert image.format == "PNG"
            assert image.width == 1040
            assert len(image.info["Description"]) > 30
            assert np.asarray(image.convert("L")).std() > 5


def test_the_page_needs_no_other_file_and_runs_nothing(page, reported):
    shown = {attributes["alt"]: attributes["src"] for attributes in page.all("img")}
    assert len(shown) == len(PICTURES)
    for path in (reported / "pictures").iterdir():
        png = Image.open(path)
        data = shown[png.info["Description"]].removeprefix("data:image/webp;base64,")
        embedded = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
        assert (embedded.width < png.width) == (path.stem in PHOTOGRAPHS)
        gap = np.asarray(embedded.resize(png.size), int) - np.asarray(png.convert("RGB"), int)
        assert np.abs(gap).mean() <= (12 if path.stem in PHOTOGRAPHS else 0), path.stem
    assert not page.all("script") + page.all("link") + page.all("iframe")
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")], tag
        assert attributes.get("href", "#").startswith("#")
    style = re.search("<style>(.*?)</style>", (reported / "report.html").read_text("utf-8"), re.S)
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    policies = [a["content"] for a in page.all("meta") if "http-equiv" in a]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_a_screen_reader_finds_its_way(page):
    assert page.all("html") == [{"lang": "en"}]
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all(len(attributes["alt"]) > 30 for attributes in page.all("img"))
    assert all(attributes["scope"] in ("col", "row") for attributes in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table")) > 6
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {attributes["href"][1:] for attributes in page.all("a")} == set(ids)
    assert {attributes["aria-labelledby"] for attributes in page.all("section")} == set(ids)


def test_images_keep_their_place_while_loading(page):
    for attributes in page.all("img"):
        data = base64.b64decode(attributes["src"].partition(",")[2])
        with Image.open(io.BytesIO(data)) as image:
            assert (int(attributes["width"]), int(attributes["height"])) == image.size


def test_names_are_text_and_never_markup(page, reported):
    text = (reported / "report.html").read_text("utf-8")
    assert "<script>alert(1)</script>.jpg" in page.text
    assert "<script" not in text
    assert "<b>loss</b> is not finite" in page.text  # A trial's error message.
    assert "Twins of <test> in train." in page.text  # The data's notes.
    assert not page.all("b")


def test_hostile_names_everywhere_change_no_element(run_dir, page):
    evil = '"><img src=x onerror=alert(1)>'
    metrics = read_json(run_dir / "metrics.json")
    metrics["data"] |= {"name": evil, "fingerprint": evil, "notes": evil}
    metrics["data"]["leakage"] = {"leaks": True, "words": evil}
    metrics["data"]["class_names"] = [evil, "$\\frac{1}"]
    metrics["data"]["counts"] = {
        split: dict(zip([evil, "$\\frac{1}"], counts.values(), strict=True))
        for split, counts in metrics["data"]["counts"].items()
    }
    write_json(run_dir / "metrics.json", metrics)
    config = read_json(run_dir / "config.json")
    config["options"] = {"seed": evil, "data": "'; rm -rf ~ #", "max_trials": 2}
    config["versions"] = {evil: evil}
    write_json(run_dir / "config.json", config)
    write_report(run_dir)
    again = Page((run_dir / "report.html").read_text("utf-8"))
    assert {tag for tag, _ in again.elements} == {tag for tag, _ in page.elements}
    assert len(again.all("img")) == len(PICTURES)
    assert not [a for _, a in again.elements if "onerror" in a]
    assert evil in again.text
    assert """--data ''"'"'; rm -rf ~ #'""" in again.text  # Quoted for a shell.


def test_a_file_name_that_is_no_utf_8_is_written_out(run_dir):
    name = b"Positive/\xff.jpg".decode("utf-8", "surrogateescape")
    with np.load(run_dir / "samples.npz") as arrays:
        samples = dict(arrays)
    samples["mistake_keys"] = np.array([name] * len(samples["mistake_keys"]))
    np.savez(run_dir / "samples.npz", **samples)
    path = run_dir / "predictions.csv"
    path.write_bytes(path.read_bytes().replace(b"Positive/00001.jpg", b"Positive/\xff.jpg"))
    text = text_of(run_dir)
    assert "Positive/\\udcff.jpg" in text


def test_the_page_says_what_was_measured(page, reported):
    metrics = read_json(reported / "metrics.json")
    row = metrics["after"]["test"]
    assert f"{100 * row['accuracy']:.2f} %" in page.text
    assert f"{row['auroc']:.4f}" in page.text
    low, high = row["intervals"]["auroc"]
    assert f"{low:.4f} to {high:.4f}" in page.text
    assert f"{100 * metrics['baseline']['test']['accuracy']:.2f} %" in page.text
    assert f"{100 * metrics['before']['test']['accuracy']:.2f} %" in page.text
    assert metrics["data"]["fingerprint"] in page.text
    assert "crackdet run --out demo --data demo --image-size 96 --seed 0" in page.text
    assert "--weights none" in page.text
    assert "keras 3.15.1" in page.text
    assert "search 81.2" in page.text
    assert "14 trials, 2 failed" in page.text
    assert page.text.index("Read this first.") < page.text.index("Twins of <test> in train.")


def test_the_classification_report_follows_from_the_counts(run_dir):
    metrics = read_json(run_dir / "metrics.json")
    metrics["after"]["test"]["confusion"] = [[180, 20], [10, 190]]
    write_json(run_dir / "metrics.json", metrics)
    text = text_of(run_dir)
    # 180/190, 180/200 and 2*180/390; 190/210, 190/200 and 2*190/410.
    assert "negative 94.74 % 90.00 % 92.31 % 200" in text
    assert "positive 90.48 % 95.00 % 92.68 % 200" in text


@pytest.mark.parametrize(
    ("leakage", "warning"),
    [
        ({"leaks": False, "words": "No leak, twin or overlap."}, None),
        ({"leaks": True, "words": "3 of 9 are known."}, "3 of 9 are known. Figures measured on"),
        ({"leaks": None, "words": "Nobody looked."}, "Nobody looked."),
        (None, "was not recorded"),  # by an earlier version
    ],
)
def test_leaks_warn_above_the_figures_by_their_flag_whatever_the_notes_say(
    run_dir, leakage, warning
):
    metrics = read_json(run_dir / "metrics.json")
    metrics["data"]["notes"] = "Cut test so that no twins and overlapping crops leak."
    metrics["data"].pop("leakage")
    if leakage is not None:
        metrics["data"]["leakage"] = leakage
    write_json(run_dir / "metrics.json", metrics)
    text = text_of(run_dir)
    assert ("Read this first." in text) == (warning is not None)
    assert warning is None or f"Read this first. {warning}" in text or warning in text
    assert metrics["data"]["notes"] in text


def test_the_threshold_says_how_far_it_may_move_and_on_how_little_it_stands(run_dir):
    metrics = read_json(run_dir / "metrics.json")
    low, high = metrics["threshold_interval"]
    assert f"it would lie between {low:.4f} and {high:.4f}" in text_of(run_dir)
    caution = "The threshold was chosen on 3 positive images of 1 groups"
    write_json(run_dir / "metrics.json", {**metrics, "threshold_caution": caution})
    assert caution in text_of(run_dir)
    # Runs of earlier versions know of neither.
    for name in ("threshold_interval", "threshold_caution"):
        del metrics[name]
    write_json(run_dir / "metrics.json", metrics)
    assert "it would lie between" not in text_of(run_dir)


def test_the_recorded_command_is_shown_as_it_is(run_dir):
    config = read_json(run_dir / "config.json")
    write_json(run_dir / "config.json", {**config, "command": "crackdet run --seed 3", "seed": 3})
    assert "crackdet run --seed 3" in text_of(run_dir)


def test_the_same_files_give_the_same_report(reported_by_another_process, reported):
    again, _ = reported_by_another_process
    assert (again / "report.html").read_bytes() == (reported / "report.html").read_bytes()


@pytest.mark.parametrize("part", ["history.csv", "search/trials.csv"])
def test_a_missing_part_is_left_out_with_a_sentence(run_dir, part):
    (run_dir / part).unlink()
    assert f"({part})" in text_of(run_dir)
    drawn = {picture.name for picture in draw(read_run(run_dir))}
    missing = "search_" if part.startswith("search") else "history"
    assert drawn == {name for name in PICTURES if not name.startswith(missing)}


@pytest.mark.parametrize(
    "name", ["metrics.json", "config.json", "predictions.csv", "samples.npz", "architecture.json"]
)
def test_a_required_file_that_is_missing_or_broken_is_named_with_a_remedy(run_dir, name):
    again = f"crackdet run --out {run_dir} --data demo"
    remedy = "in another folder" if name == "config.json" else again
    content = (run_dir / name).read_bytes()
    for broken in (b"", content[: len(content) // 2].rsplit(b",", 1)[0]):
        (run_dir / name).write_bytes(broken)
        with pytest.raises(CrackdetError, match=rf"{name}.*{remedy}"):
            write_report(run_dir)
    (run_dir / name).unlink()
    with pytest.raises(CrackdetError, match=rf"{name} is missing\. .*{remedy}"):
        write_report(run_dir)
    assert not (run_dir / "report.html").exists()


@pytest.mark.parametrize(
    ("name", "content", "message", "remedy"),
    [
        ("metrics.json", "{}", "it lacks data, before", "metrics.json and give the run's command"),
        ("config.json", '{"seed": 0}', "it lacks options", "make it again in another folder"),
        ("architecture.json", "3", "cannot be read", "which makes it: crackdet run --out"),
        ("history.csv", "phase,epoch\nhead,1\n", "it lacks loss", "Delete it"),
        ("history.csv", "phase,loss,accuracy,val_loss,val_accuracy\nhead,1,1,x,1\n", "'x'", ""),
        ("search/search.json", "", "cannot be read", "elsewhere"),
        ("search/search.json", "{}", "it lacks objective", "elsewhere"),
        ("search/trials.csv", "trial,status\n0,completed\n", "'val_loss'", "elsewhere"),
        ("search/trials.csv", "trial,status,val_loss,images\n0,completed,low,4\n", "'low'", ""),
    ],
)
def test_a_file_of_something_else_is_named_with_a_remedy(run_dir, name, content, message, remedy):
    (run_dir / name).write_text(content)
    with pytest.raises(CrackdetError) as caught:
        write_report(run_dir)
    sentence = str(caught.value)
    assert sentence.startswith(f"{run_dir / name} cannot be read (")
    assert message in sentence
    assert remedy in sentence


def test_the_remedies_for_history_and_search_work(run_dir):
    (run_dir / "history.csv").write_text("phase,epoch\n")
    (run_dir / "history.csv").unlink()
    (run_dir / "search/search.json").unlink()
    with pytest.raises(CrackdetError, match=rf"Move {run_dir / 'search'} elsewhere"):
        read_run(run_dir)
    (run_dir / "search").rename(run_dir.parent / "elsewhere")
    assert "(search/trials.csv)" in text_of(run_dir)


def test_an_entry_that_a_file_lacks_is_named(run_dir):
    """The fault: `KeyError: 'recall'`, with no word of a file."""
    whole = read_json(run_dir / "metrics.json")
    for names in (("after", "test", "recall"), ("baseline", "direction"), ("data", "notes")):
        metrics = copy.deepcopy(whole)
        entry = metrics
        for name in names[:-1]:
            entry = entry[name]
        del entry[names[-1]]
        write_json(run_dir / "metrics.json", metrics)
        with pytest.raises(CrackdetError, match=rf"metrics\.json lacks {'.'.join(names)}\. Delete"):
            text_of(run_dir)
    write_json(run_dir / "metrics.json", whole)
    with np.load(run_dir / "samples.npz") as arrays:
        samples = {name: values for name, values in arrays.items() if name != "mistake_losses"}
    np.savez(run_dir / "samples.npz", **samples)
    with pytest.raises(CrackdetError, match=r"samples\.npz lacks mistake_losses\. Delete"):
        text_of(run_dir)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({}, "the classifier that training began with"),
        ({"weights": None}, "random weights"),
        ({"weights": "imagenet"}, "its head not yet trained"),
        ({"weights": "concrete"}, "the trained classifier that training began with, concrete"),
    ],
)
def test_the_page_says_what_the_classifier_was_before_training(run_dir, weights, words):
    config = read_json(run_dir / "config.json")
    config["options"] = {
        **{k: v for k, v in config["options"].items() if k != "weights"},
        **weights,
    }
    write_json(run_dir / "config.json", config)
    text = text_of(run_dir)
    assert words in text
    assert ("not yet trained" in text) == (weights == {"weights": "imagenet"})


def test_what_the_run_was_made_with_is_shown_and_repeated(run_dir):
    config = read_json(run_dir / "config.json")
    config["made_with"] = {"workers": 3, "half_precision": True, "ray": None}
    write_json(run_dir / "config.json", config)
    text = text_of(run_dir)
    assert "--workers 3 --half-precision" in text
    assert "--ray" not in text


def test_trials_without_their_objective_are_refused(run_dir):
    write_json(run_dir / "search/search.json", {"objective": "luck"})
    with pytest.raises(CrackdetError, match=r"search\.json names the objective 'luck'"):
        write_report(run_dir)
    (run_dir / "search/search.json").unlink()
    with pytest.raises(CrackdetError, match=r"search\.json is missing\. Move .* elsewhere"):
        write_report(run_dir)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CrackdetError, match="nowhere"):
        write_report(tmp_path / "nowhere")


def test_files_of_different_evaluations_are_refused(run_dir):
    lines = (run_dir / "predictions.csv").read_text().splitlines(keepends=True)
    (run_dir / "predictions.csv").write_text("".join(lines[:-1]))
    with pytest.raises(CrackdetError, match=r"lists 399 test images, metrics\.json counts 400"):
        write_report(run_dir)


def test_no_model_and_no_global_figure_is_needed(reported_by_another_process):
    _, modules = reported_by_another_process
    assert "crackdet.report.report" in modules
    assert not {"keras", "tensorflow", "matplotlib.pyplot"} & modules
    assert not {"crackdet.training", "crackdet.models", "crackdet.features"} & modules
