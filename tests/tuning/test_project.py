import json
import subprocess
import sys

import pytest

from crackdet.errors import CrackdetError
from crackdet.runs.files import SEARCH_LOCK
from tuning.project import Journal, open_project, writing

OPTIONS = {"tuner": "random", "space": {"dropout": (0.0, 0.5)}, "seed": 0}


def test_equal_options_open_the_same_folder_again(tmp_path):
    for _ in range(2):
        with open_project(tmp_path / "search", OPTIONS) as folder:
            assert json.loads((folder / "search.json").read_text())["seed"] == 0


def test_other_options_are_named(tmp_path):
    with open_project(tmp_path / "search", OPTIONS):
        pass
    changed = OPTIONS | {"seed": 1, "tuner": "grid"}
    with (
        pytest.raises(CrackdetError, match="tuner was random and is grid; seed was 0 and is 1"),
        open_project(tmp_path / "search", changed),
    ):
        pass
    with (
        pytest.raises(CrackdetError, match="alpha was None and is 1"),
        open_project(tmp_path / "search", OPTIONS | {"alpha": 1}),
    ):
        pass


def test_resume_false_refuses_a_search_and_says_what_to_do(tmp_path):
    with open_project(tmp_path / "search", OPTIONS, resume=False):
        pass
    with (
        pytest.raises(CrackdetError, match="not empty: name another directory, or pass resume"),
        open_project(tmp_path / "search", OPTIONS, resume=False),
    ):
        pass


@pytest.mark.parametrize("resume", [True, False])
def test_a_folder_of_other_files_is_left_alone(tmp_path, resume):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(CrackdetError), open_project(tmp_path, OPTIONS, resume=resume):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_what_a_kill_leaves_half_written_does_not_count(tmp_path):
    (tmp_path / ".search.4711.partial.json").write_text('{"tuner": ')
    with open_project(tmp_path, OPTIONS, resume=False) as folder:
        assert (folder / "search.json").is_file()


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(CrackdetError, match="is a file"),
        open_project(tmp_path / "file", OPTIONS),
    ):
        pass


def test_two_processes_cannot_search_in_one_folder(tmp_path):
    program = (
        "import fcntl, sys\n"
        "with open(sys.argv[1], 'w') as file:\n"
        "    fcntl.flock(file, fcntl.LOCK_EX); print('held', flush=True); input()"
    )
    with open_project(tmp_path / "search", {"seed": 0}):
        pass
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "search" / SEARCH_LOCK)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(CrackdetError, match="Another process is searching"),
            open_project(tmp_path / "search", {"seed": 0}),
        ):
            pass
        other.kill()
    # The system has freed the lock of the killed process.
    with open_project(tmp_path / "search", {"seed": 0}):
        pass


def test_journal_cuts_off_what_was_half_written_and_goes_on(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.append({"event": "start", "trial": "0", "values": {"dropout": 0.1}})
    journal.append({"event": "end", "trial": "0", "metrics": {"val_loss": 0.1 + 0.2}})
    with open(path, "ab") as file:
        file.write(b'{"event": "start", "tri')
    again = Journal(path)
    assert again.events == journal.events
    assert again.events[1]["metrics"]["val_loss"] == 0.1 + 0.2
    assert again.begun() == {"0": {"dropout": 0.1}}
    again.append({"event": "start", "trial": "1", "values": {}})
    assert Journal(path).events == again.events


def test_journal_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "folder").mkdir()
    journal = Journal(tmp_path / "folder" / "journal.jsonl")
    (tmp_path / "folder").rmdir()
    with pytest.raises(CrackdetError, match=r"Cannot write .*No such file"):
        journal.append({"event": "start"})


def test_errors_of_tensorflow_and_the_system_become_sentences(tmp_path):
    class ResourceExhaustedError(Exception):
        __module__ = "tensorflow.python.framework.errors_impl"
        message = "No space left on device"

    for error in (ResourceExhaustedError(), OSError(28, "No space left on device")):
        with (
            pytest.raises(CrackdetError, match=r"Cannot write .*: No space left"),
            writing(tmp_path),
        ):
            raise error
    with pytest.raises(KeyError), writing(tmp_path):
        raise KeyError
