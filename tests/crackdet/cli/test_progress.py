"""The bar of long steps."""

import threading

import pytest

from crackdet.cli.progress import shown_progress


def test_a_bar_counts_without_a_thread(capsys: pytest.CaptureFixture[str]) -> None:
    """The fault: rich's thread imports as it draws, which raised while TFDS was being imported."""
    threads = threading.active_count()
    with shown_progress(1) as progress:
        assert progress is not None
        for done in range(5):
            progress(done, 4, "reading pictures")
        assert threading.active_count() == threads
    assert "reading pictures" in capsys.readouterr().err
    with shown_progress(0) as progress:
        assert progress is None
