import io

import pytest
from rich.console import Console

from tests.tuning.test_leaderboard import finished
from tuning.display import Display
from tuning.leaderboard import Leaderboard


@pytest.fixture
def show(tmp_path):
    def make(*, terminal, verbose=1):
        console = Console(file=io.StringIO(), force_terminal=terminal, width=120, no_color=True)
        board = Leaderboard(tmp_path, "val_loss", "min", 3, images=100)
        return Display(board, [100] * 4, verbose=verbose, console=console)

    return make


def end(display, trial, *, replayed=False):
    """Tells of a trial as the scheduler does: the leaderboard first."""
    for watcher in (display.leaderboard, display):
        watcher.finished(trial, replayed=replayed)


def test_a_line_for_each_trial_without_a_terminal(show):
    display = show(terminal=False)
    with display.live():
        for trial in (finished(0, 0.25), finished(1, error="ValueError: [bold]no[/bold]")):
            display.started(trial.task)
            end(display, trial)
    lines = display.console.file.getvalue().splitlines()
    assert len(lines) == 2
    assert "trial 00: val_loss 0.25, val_accuracy 0.75 (dropout 0.1" in lines[0]
    assert "1 of 4 done, about 4 s left" in lines[0]
    assert "trial 01 failed: ValueError: [bold]no[/bold]" in lines[1]
    assert "trial_01/error.txt" in lines[1]


def test_a_table_on_a_terminal_and_failures_above_it(show):
    display = show(terminal=True)
    with display.live():
        display.started(finished(0, 0.25).task)
        assert "trial 00 runs, since 0 s" in display.status()
        end(display, finished(0, 0.25))
        end(display, finished(1, error="ValueError: no"))
        assert display.status() == "2 of 4 trials done, 1 failed, about 2 s left"
    text = display.console.file.getvalue()
    assert "unfreeze depth" in text
    assert "trial 01 failed: ValueError: no" in text
    assert "trial 00: val_loss" not in text  # it stands in the table


def test_the_table_shows_the_best_first(show):
    display = show(terminal=True)
    for number, loss in enumerate((0.5, 0.1, 0.3)):
        end(display, finished(number, loss), replayed=True)
    display.console.print(display.render())
    text = display.console.file.getvalue()
    assert text.index("01 ") < text.index("02 ") < text.index("00 ")


def test_several_trials_at_once_share_the_time_left(show):
    display = show(terminal=True)
    display.workers = 2
    for number in (1, 2):
        display.started(finished(number).task)
    end(display, finished(0, 0.25))
    assert display.status() == ("1 of 4 trials done, trials 01, 02 run, since 0 s, about 2 s left")


def test_a_trial_whose_process_died_is_told(show):
    display = show(terminal=False)
    display.started(finished(0).task)
    display.lost(finished(0).task, RuntimeError("the process was killed by SIGKILL"))
    text = display.console.file.getvalue()
    assert text == "trial 00 is run again: the process was killed by SIGKILL.\n"
    assert "runs" not in display.status()


def test_nothing_when_not_verbose(show):
    for terminal in (True, False):
        display = show(terminal=terminal, verbose=0)
        with display.live():
            display.started(finished(0, 0.25).task)
            end(display, finished(0, 0.25))
            display.say("words")
        assert display.console.file.getvalue() == ""
        assert len(display.leaderboard.trials) == 1


@pytest.mark.parametrize(
    ("seconds", "words"), [(3.4, "3 s"), (61, "1 min"), (3540, "59 min"), (7300, "2 h 2 min")]
)
def test_time_left_is_told_in_words(show, seconds, words):
    display = show(terminal=False)
    trial = finished(0, 0.25)
    object.__setattr__(trial.outcome, "seconds", seconds / 3)  # three trials are left
    end(display, trial)
    assert f"about {words} left" in display.console.file.getvalue()


def test_trials_of_before_a_restart_are_added_without_a_line(show, tmp_path):
    display = show(terminal=False)
    curves = tmp_path / "tensorboard" / "00" / "events.1"
    curves.parent.mkdir(parents=True)
    curves.write_bytes(b"curves")
    end(display, finished(0, 0.25), replayed=True)
    assert display.console.file.getvalue() == ""
    assert [trial.task.trial for trial in display.leaderboard.trials] == ["00"]
    assert curves.read_bytes() == b"curves"


def test_the_display_writes_nothing(show, tmp_path):
    """What stands in the folder is the leaderboard's, and written once."""
    display = show(terminal=False)
    display.started(finished(0, 0.25).task)
    display.leaderboard.trials.append(finished(0, 0.25))
    display.finished(finished(0, 0.25), replayed=False)
    assert list(tmp_path.iterdir()) == []
    assert len(display.leaderboard.trials) == 1
