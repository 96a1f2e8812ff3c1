"""Examples that read figures say where one is undefined, which JSON writes as null."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from crackdet.evaluation import metrics_row


def test_read_metrics_of_a_run_that_calls_nothing_cracked(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = metrics_row([0, 0], [0.1, 0.2], threshold=0.5)
    metrics = {
        "data": {"name": "site", "fingerprint": "0" * 64, "class_names": ["sound", "crack"]},
        "threshold": 0.5,
        **{part: {"test": row} for part in ("before", "after", "baseline")},
        "seconds": {},
    }
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    (tmp_path / "predictions.csv").write_text("key,split,label,score\na.jpg,test,0,0.1\n")
    monkeypatch.setattr(sys, "argv", ["read_metrics.py", str(tmp_path)])
    _module(root, "read_metrics").main()
    out = capsys.readouterr().out
    assert "after training: accuracy 1.0000 [0.2236, 1.0000], recall undefined, " in out


@pytest.mark.parametrize("name", ["read_metrics", "fine_tune", "benchmarks/split_study"])
def test_a_figure_without_value_or_interval_is_written(root: Path, name: str) -> None:
    figure = _module(root, name).figure
    row = metrics_row([1], [0.9], threshold=0.5)
    assert figure(row, "auroc") == "undefined"
    assert figure(row, "recall") == "1.0000"
    assert figure({"recall": 0.5, "intervals": {"recall": [0.25, 1]}}, "recall") == (
        "0.5000 [0.2500, 1.0000]"
    )


def _module(root: Path, name: str):
    spec = importlib.util.spec_from_file_location("example", root / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
