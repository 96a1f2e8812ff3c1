"""Searches that go on in a folder: from where they stopped, and with nothing else than before."""

import json
import multiprocessing

import pytest

from crackdet.data import CrackData
from crackdet.errors import CrackdetError
from crackdet.models import preset
from tests.standin import standin_classifier
from tests.tuning.conftest import DEEP, Inline, patches, read_rows
from tuning import SearchSpace, search


def test_ctrl_c_says_how_to_go_on_and_then_it_does(easy, tmp_path, capsys):
    whole = easy(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        easy(tmp_path / "search", stops={"3"})
    assert "Stopped. The same search goes on" in capsys.readouterr().out
    assert len(read_rows(tmp_path / "search")) == 3
    begun = []
    found = easy(tmp_path / "search", begun=begun)
    assert begun == ["3", "4", "5"]
    assert "Going on after 3 finished trials" in capsys.readouterr().out
    assert read_rows(tmp_path / "search") == read_rows(tmp_path / "whole")
    assert found.best == whole.best
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_a_bayesian_search_goes_on_to_the_same_trials_with_fewer_workers(easy, tmp_path):
    """What it proposes depends on their number, which a machine may not keep."""
    two = Inline()
    two.workers = 2
    line = SearchSpace(0.3, (1e-5, 1e-2), 4)
    options = {"tuner": "bayesian", "max_trials": 8, "space": line, "workers": None}
    easy(tmp_path / "whole", executor=two, **options)
    with pytest.raises(KeyboardInterrupt):
        easy(tmp_path / "search", stops={"6"}, executor=two, **options)
    easy(tmp_path / "search", executor=Inline(), **options)
    assert read_rows(tmp_path / "search") == read_rows(tmp_path / "whole")


def test_a_finished_search_is_read_not_run_again(easy, tmp_path):
    first = easy(tmp_path / "search")
    begun = []
    assert easy(tmp_path / "search", begun=begun) == first
    assert begun == []


def test_other_options_and_other_data_are_named(easy, tmp_path, data):
    easy(tmp_path / "search", max_trials=2)
    with pytest.raises(CrackdetError, match="epochs was 3 and is 4"):
        easy(tmp_path / "search", max_trials=2, epochs=4)
    with pytest.raises(CrackdetError, match="mixed_precision was False and is True"):
        easy(tmp_path / "search", max_trials=2, mixed_precision=True)
    with pytest.raises(CrackdetError, match=r"classifier was .*new_classifier and is .*standin"):
        easy(tmp_path / "search", max_trials=2, classifier=standin_classifier)
    with pytest.raises(CrackdetError, match=r"space was .* and is"):
        easy(tmp_path / "search", max_trials=2, space=SearchSpace(unfreeze_depth=(0, 1)))
    other = CrackData.from_arrays(patches(48, 7), patches(16, 2), patches(4, 3), batch_size=4)
    with pytest.raises(CrackdetError, match=r"options: data was .* and is"):
        search(other, directory=tmp_path / "search", tuner="random", max_trials=2, space=DEEP)
    with pytest.raises(CrackdetError, match="not empty"):
        easy(tmp_path / "search", max_trials=2, resume=False)


def test_a_search_goes_on_from_weights_of_the_same_content_wherever_they_lie(easy, tmp_path):
    start, moved = tmp_path / "start.weights.h5", tmp_path / "elsewhere" / "start.weights.h5"
    start.write_bytes(b"some weights")
    easy(tmp_path / "search", max_trials=2, weights=start)
    moved.parent.mkdir()
    start.rename(moved)
    begun = []
    easy(tmp_path / "search", max_trials=2, weights=str(moved), begun=begun)
    assert begun == []
    start.write_bytes(b"some others")
    with pytest.raises(CrackdetError, match=r"weights was start.weights.h5, sha256 .* and is"):
        easy(tmp_path / "search", max_trials=2, weights=start)


def test_a_preset_is_recorded_by_its_content_too(easy, tmp_path, monkeypatch):
    def write(content):
        (tmp_path / "presets" / "tiny").mkdir(parents=True, exist_ok=True)
        (tmp_path / "presets" / "tiny" / "model.weights.h5").write_bytes(content)
        config = {"alpha": 1.0, "num_classes": 2}
        (tmp_path / "presets" / "tiny" / "config.json").write_text(json.dumps(config))

    monkeypatch.setattr(preset, "PRESETS_FOLDER", tmp_path / "presets")
    write(b"one release")
    easy(tmp_path / "search", max_trials=2, weights="tiny")
    write(b"another release")
    with pytest.raises(CrackdetError, match=r"weights was tiny, sha256 .* and is tiny, sha256"):
        easy(tmp_path / "search", max_trials=2, weights="tiny")


def numbered(folder):
    """Rows of trials.csv by number, without the numbers' padding."""
    return {int(row.pop("trial")): row for row in read_rows(folder)}


@pytest.mark.parametrize("options", [{}, {"search_images": 48, "halving_factor": 2}])
def test_a_random_search_without_rounds_is_given_more_trials(easy, tmp_path, options):
    """As if it had been of so many from the start, but for the width of their numbers."""
    whole = easy(tmp_path / "whole", max_trials=12)
    easy(tmp_path / "search", max_trials=3, **options)
    begun = []
    found = easy(tmp_path / "search", max_trials=12, begun=begun, **options)
    assert begun == [str(number) for number in range(3, 12)]
    assert numbered(tmp_path / "search") == numbered(tmp_path / "whole")
    assert [row["trial"] for row in read_rows(tmp_path / "search")] == [str(n) for n in range(12)]
    assert found.best == whole.best
    assert easy(tmp_path / "search", max_trials=12, begun=begun, **options) == found
    assert len(begun) == 9
    with pytest.raises(CrackdetError, match=r"was 12 and is 3 \(max_trials can only be raised"):
        easy(tmp_path / "search", max_trials=3, **options)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"search_images": 24, "halving_factor": 2}, "halving plans its rounds"),
        ({"tuner": "grid"}, "spread over max_trials points"),
        ({"tuner": "bayesian"}, "first trials at random"),
        ({"tuner": "hyperband"}, "which trials have ended"),
    ],
)
def test_other_searches_say_why_they_take_no_more_trials(easy, tmp_path, options, why):
    with pytest.raises(KeyboardInterrupt):
        easy(tmp_path / "search", max_trials=2, stops={"0"}, **options)
    with pytest.raises(CrackdetError, match=rf"max_trials was 2 and is 3 \(.* here: .*{why}"):
        easy(tmp_path / "search", max_trials=3, **options)
    with pytest.raises(CrackdetError, match="seed was 0 and is 1"):
        easy(tmp_path / "search", max_trials=3, seed=1, **options)
