"""Turns a finished run into a preset: small weights, a configuration and a model card.

The shipped preset `concrete` was made like this. Your own product needs config.json and the
weights: `mobilenet_v2_classifier(**config, weights="FOLDER/model.weights.h5")`. In
crackdet/models/presets, with crackdet installed anew, it is loaded by its name.

    crackdet transfer runs/NAME --sites sites.csv --out runs/NAME-elsewhere
    python examples/ship_preset.py runs/NAME --out crackdet/models/presets/concrete \
        --elsewhere runs/NAME-elsewhere/sites.json
"""

import argparse
import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import crackdet
from crackdet.evaluation import operating_point
from crackdet.files import read_json
from crackdet.models import feature_statistics, known_images, save_preset
from crackdet.models.out_of_distribution import OutOfDistribution
from crackdet.models.record import read_record
from crackdet.models.validation_scores import ValidationScores

KEPT = ("n", "positives", "groups", "accuracy", "recall", "precision", "false_alarm_rate", "auroc",
        "intervals", "confusion", "recall_at_far_5pct", "recall_at_far_1pct", "recall_at_far_0_1pct",
        "brier", "ece", "unsure")  # fmt: skip
KEPT_ELSEWHERE = ("n", "positives", "groups", "auroc", "recall", "false_alarm_rate",
                  "recall_at_far_5pct", "recall_at_far_1pct", "intervals", "ece", "unsure")  # fmt: skip
DRAWN = ("curve", "observed")  # of detection: what only a picture needs
WISHES = ({"recall": 0.9}, {"recall": 0.95}, {"recall": 0.99},
          {"false_alarm_rate": 0.05}, {"false_alarm_rate": 0.01})  # fmt: skip
LIMITS = (
    "Close-ups of clean, evenly lit walls. Measure it on your own site first: stains, joints and "
    "shadows raise false alarms, and thin, faint cracks are missed."
)
LIMITS_PAINTED = (
    "Trained on close-ups of clean, evenly lit walls, and on these with cracks, joints, stains and "
    "other things painted on them and with other cameras' faults. Measure it on your own site "
    "first: what was not painted can raise false alarms, and hairlines are missed."
)


def model_card(run: Path, elsewhere: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Says what the run's classifier was made from, how well it does, and what it may not do."""
    record = read_record(run / "model.keras")
    config, metrics = read_json(run / "config.json"), read_json(run / "metrics.json")
    scores = record and record.scores
    return {
        "task": "tells a patch of cracked concrete (1) from a sound one (0)",
        "date": datetime.date.today().isoformat(),
        "data": metrics["data"],
        "options": config["options"],
        "versions": config["versions"],
        "threshold": metrics["threshold"],
        "threshold_rule": metrics["threshold_rule"],
        "temperature": metrics["temperature"],
        "patch_side": record and record.patch_side,
        "scores": scores,
        "operating_points": operating_points(scores) if scores else [],
        "unsure_limit": unsure_limit(run),
        "validation": kept(metrics["after"]["validation"], KEPT),
        "test": kept(metrics["after"]["test"], KEPT),
        **under_stress(metrics),
        "licences": {
            "code": "Apache-2.0",
            "data": "CC BY 4.0: Özgenel, Ç. F. (2019), Concrete Crack Images for Classification, "
            "Mendeley Data, V2, doi 10.17632/5y9wdsg2zt.2",
            "initial weights": "MobileNetV2 on ImageNet, as published with Keras (Apache-2.0)",
        },
        "limits": LIMITS_PAINTED if config["options"].get("painting") else LIMITS,
        "elsewhere": [site_facts(row) for row in elsewhere],
    }


def kept(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: row[name] for name in names if name in row}


def operating_points(stored: Mapping[str, str]) -> list[dict[str, Any]]:
    """What other thresholds promise, of the scores that `--recall` chooses from."""
    scores = ValidationScores.read(stored)
    points = ((wish, operating_point(scores, **wish)) for wish in WISHES)
    return [
        {
            "asked": wish,
            "threshold": point.threshold,
            "recall": point.recall,
            "false_alarm_rate": point.false_alarm_rate,
        }
        for wish, point in points
    ]


def unsure_limit(run: Path) -> float | None:
    """The distance to training's features beyond which the classifier is unsure."""
    detector = OutOfDistribution.of(feature_statistics(run))
    return None if detector is None else detector.limit


def under_stress(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The stress score, by family, and how wide a crack has to be; of a painted run."""
    if "stress" not in metrics:
        return {}
    stress, detection = metrics["stress"], metrics["detection"]
    by_width = {
        contrast: {name: value for name, value in facts.items() if name not in DRAWN}
        for contrast, facts in {**detection["contrasts"], "overall": detection["overall"]}.items()
    }
    return {
        "stress": {
            **{name: stress[name] for name in ("n", "score", "loss", "accuracy")},
            "auroc_by_family": {name: row["auroc"] for name, row in stress["families"].items()},
        },
        "detection": {
            **{name: detection[name] for name in ("side", "method", "threshold", "false_alarms")},
            "overall": by_width.pop("overall"),
            "contrasts": by_width,
        },
    }


def site_facts(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the card keeps of one site, from either command's file."""
    sound = row["n"] - row["positives"]
    untrained = row.get("untrained") or {}
    return {
        "data": row.get("data") or f"{row['site']} ({row['positives']} cracked, {sound} sound)",
        "licence": row.get("licence", ""),
        **kept(row, KEPT_ELSEWHERE),
        "best_untrained": untrained.get("best"),
        "best_untrained_auroc": untrained and untrained["auroc"].get(untrained["best"]),
    }


def rows_elsewhere(files: Sequence[Path]) -> list[Mapping[str, Any]]:
    """The rows of `crackdet transfer`'s sites.json, and the one of `crackdet evaluate`."""
    read = [read_json(file) for file in files]
    return [row for facts in read for row in facts.get("sites", [facts])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("--out", type=Path, required=True, help="folder of the preset")
    parser.add_argument("--elsewhere", type=Path, nargs="*", default=[], metavar="FILE",
                        help="sites.json of crackdet transfer RUN --out DIR, or what "
                             "crackdet evaluate RUN --data SITE --out FILE wrote")  # fmt: skip
    options = parser.parse_args()
    model = crackdet.load_model(options.run)
    alpha = read_json(options.run / "config.json")["options"]["alpha"]
    beside = {"images": known_images(options.run), "statistics": feature_statistics(options.run)}
    card = model_card(options.run, rows_elsewhere(options.elsewhere))
    folder = save_preset(model, options.out, card, alpha=alpha, **beside)
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"Wrote {folder}: {size / 1e6:.1f} MB.")


if __name__ == "__main__":
    main()
