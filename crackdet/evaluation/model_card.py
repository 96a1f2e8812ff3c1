"""The model card of a run's classifier: what it was made from, how well it does, its limits."""

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crackdet.evaluation.operating_points import operating_point
from crackdet.files import read_json
from crackdet.models import feature_statistics
from crackdet.models.out_of_distribution import OutOfDistribution
from crackdet.models.record import read_record
from crackdet.models.validation_scores import ValidationScores
from crackdet.runs import files

_KEPT = (
    *("n", "positives", "groups", "accuracy", "recall", "precision", "false_alarm_rate", "auroc"),
    *("recall_at_far_5pct", "recall_at_far_1pct", "recall_at_far_0_1pct", "brier", "ece"),
    *("intervals", "confusion", "unsure"),
)
_KEPT_ELSEWHERE = (
    *("n", "positives", "groups", "auroc", "recall", "false_alarm_rate", "recall_at_far_5pct"),
    *("recall_at_far_1pct", "ece", "intervals", "unsure"),
)
_DRAWN = ("curve", "observed")  # of detection: what only a picture needs
_WISHES: tuple[dict[str, float], ...] = (
    *({"recall": share} for share in (0.9, 0.95, 0.99)),
    *({"false_alarm_rate": share} for share in (0.05, 0.01)),
)
_LIMITS = (
    "Close-ups of clean, evenly lit walls. Measure it on your own site first: stains, joints and "
    "shadows raise false alarms, and thin, faint cracks are missed."
)
_LIMITS_PAINTED = (
    "Trained on close-ups of clean, evenly lit walls, and on these with cracks, joints, stains and "
    "other cameras' faults painted on them. Measure it on your own site first: what was not "
    "painted can raise false alarms, and thin, faint cracks are missed."
)


def model_card(run: str | Path, elsewhere: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Returns the model card of a finished run: its data, figures, other thresholds and limits.

    Mitchell et al., "Model Cards for Model Reporting" (FAT* 2019), say what belongs on one.

    Args:
        run: The run's folder.
        elsewhere: Its figures on other sites: rows of `crackdet transfer`'s sites.json, or what
            `crackdet evaluate --out FILE` wrote.

    Returns:
        A dictionary for JSON, such as `crackdet.models.save_preset` takes and
        `crackdet.models.preset_card` returns.

    Example:

    >>> card = model_card("runs/mine")
    >>> card["threshold"], card["test"]["recall"], card["limits"]
    """
    run = Path(run)
    record = read_record(run / files.MODEL)
    config, metrics = read_json(run / files.CONFIG), read_json(run / files.METRICS)
    detector = OutOfDistribution.of(feature_statistics(run))
    scores = record and record.scores
    return {
        "task": "tells a patch of cracked concrete (1) from a sound one (0)",
        "date": datetime.date.today().isoformat(),
        "data": metrics["data"],
        "options": config["options"],
        "versions": config["versions"],
        "threshold": metrics["threshold"],
        "threshold_rule": metrics["threshold_rule"],
        "miss_cost": record and record.miss_cost,
        "temperature": metrics["temperature"],
        "patch_side": record and record.patch_side,
        "scores": scores,
        "operating_points": _operating_points(scores) if scores else [],
        "unsure_limit": detector and detector.limit,
        "validation": _kept(metrics["after"]["validation"], _KEPT),
        "test": _kept(metrics["after"]["test"], _KEPT),
        **(_under_stress(metrics) if "stress" in metrics else {}),
        "licences": {
            "code": "Apache-2.0",
            "data": "CC BY 4.0: Özgenel, Ç. F. (2019), Concrete Crack Images for Classification, "
            "Mendeley Data, V2, doi 10.17632/5y9wdsg2zt.2",
            "initial weights": "MobileNetV2 on ImageNet, as published with Keras (Apache-2.0)",
        },
        "limits": _LIMITS_PAINTED if config["options"].get("painting") else _LIMITS,
        "elsewhere": [_site(row) for row in elsewhere],
    }


def _kept(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: row[name] for name in names if name in row}


def _operating_points(stored: Mapping[str, str]) -> list[dict[str, Any]]:
    """Returns what other thresholds promise, of the scores that `--recall` chooses from."""
    scores = ValidationScores.read(stored)
    points = ((wish, operating_point(scores, **wish)) for wish in _WISHES)
    return [
        {
            "asked": wish,
            "threshold": point.threshold,
            "recall": point.recall,
            "false_alarm_rate": point.false_alarm_rate,
        }
        for wish, point in points
    ]


def _under_stress(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the stress score, by family, and how wide a crack has to be to be found."""
    stress, detection = metrics["stress"], metrics["detection"]

    def without_drawn(facts: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in facts.items() if name not in _DRAWN}

    return {
        "stress": {
            **_kept(stress, ("n", "score", "auroc", "loss", "accuracy")),
            "auroc_by_family": {name: row["auroc"] for name, row in stress["families"].items()},
        },
        "detection": {
            **_kept(detection, ("side", "method", "threshold", "false_alarms")),
            "overall": without_drawn(detection["overall"]),
            "contrasts": {
                name: without_drawn(facts) for name, facts in detection["contrasts"].items()
            },
        },
    }


def _site(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what the card keeps of one site."""
    sound, untrained = row["n"] - row["positives"], row.get("untrained") or {}
    return {
        "data": row.get("data") or f"{row['site']} ({row['positives']} cracked, {sound} sound)",
        "licence": row.get("licence", ""),
        **_kept(row, _KEPT_ELSEWHERE),
        "best_untrained": untrained.get("best"),
        "best_untrained_auroc": untrained.get("auroc", {}).get(untrained.get("best")),
    }
