"""A run's folder: when a run may go on in it, and the seconds it keeps."""

import itertools
import os
import time
from pathlib import Path

import pytest

from crackdet.errors import CrackdetError
from crackdet.files import write_json
from crackdet.runs import folder

OPTIONS = {"data": "demo", "epochs": 5, "weights": None}


def begin(path: Path) -> None:
    write_json(path / folder.CONFIG, {"options": OPTIONS, "data": {"fingerprint": "a" * 64}})


def test_a_missing_or_empty_folder_is_new(tmp_path: Path) -> None:
    assert folder.open_folder(str(tmp_path / "new"), OPTIONS) == tmp_path / "new"
    assert folder.open_folder(str(tmp_path), OPTIONS) == tmp_path
    assert folder.is_new(tmp_path, "a" * 64, OPTIONS)


def test_a_name_that_is_no_utf_8_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    name = str(tmp_path / os.fsdecode(b"run-\xff"))
    with pytest.raises(CrackdetError, match="no name in UTF-8"):
        folder.open_folder(name, OPTIONS)
    assert list(tmp_path.iterdir()) == []


def test_a_run_goes_on_with_the_same_options(tmp_path: Path) -> None:
    begin(tmp_path)
    assert folder.open_folder(str(tmp_path), dict(OPTIONS)) == tmp_path
    assert not folder.is_new(tmp_path, "a" * 64, OPTIONS)


def test_options_that_the_earlier_command_did_not_have_are_free_and_recorded(
    tmp_path: Path,
) -> None:
    begin(tmp_path)
    more = {**OPTIONS, "views": 2}
    folder.open_folder(str(tmp_path), more)
    assert folder.is_new(tmp_path, "a" * 64, more)


def test_every_difference_is_named_as_the_user_writes_it(tmp_path: Path) -> None:
    begin(tmp_path)
    with pytest.raises(CrackdetError) as told:
        folder.open_folder(str(tmp_path), {"data": "demo", "epochs": 6, "weights": "imagenet"})
    assert "--epochs was 5 and is 6" in str(told.value)
    assert "--weights was none and is imagenet" in str(told.value)
    assert "--data" not in str(told.value)


def test_other_images_are_another_run(tmp_path: Path) -> None:
    begin(tmp_path)
    with pytest.raises(CrackdetError, match="images have changed"):
        folder.is_new(tmp_path, "b" * 64, OPTIONS)


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(CrackdetError, match="name a new folder"):
        folder.open_folder(str(tmp_path), OPTIONS)
    with pytest.raises(CrackdetError, match="is a file"):
        folder.open_folder(str(tmp_path / "thesis.tex"), OPTIONS)
    with pytest.raises(CrackdetError, match=r"cannot be made, since .*thesis.tex is a file"):
        folder.open_folder(str(tmp_path / "thesis.tex" / "run"), OPTIONS)


def test_what_a_kill_leaves_half_written_does_not_count(tmp_path: Path) -> None:
    (tmp_path / ".config.4711.partial.json").write_text('{"options": ')
    assert folder.open_folder(str(tmp_path), OPTIONS) == tmp_path


def test_seconds_add_up_over_stopped_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(step=10.0)
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    with pytest.raises(KeyboardInterrupt), folder.timed(tmp_path, "search"):
        raise KeyboardInterrupt
    with folder.timed(tmp_path, "search"):
        pass
    with folder.timed(tmp_path, "fit"):
        pass
    assert folder.seconds(tmp_path) == {"search": 20.0, "fit": 10.0}


def test_a_run_that_was_stopped_while_its_data_loaded_goes_on(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), folder.timed(tmp_path, "data"):
        raise KeyboardInterrupt
    assert folder.open_folder(str(tmp_path), OPTIONS) == tmp_path
