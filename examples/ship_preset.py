"""Turns a finished run into a preset: small weights, a configuration and a model card.

The shipped preset `concrete` was made like this. Your own product needs config.json and the
weights: `mobilenet_v2_classifier(**config, weights="FOLDER/model.weights.h5")`. In
crackdet/models/presets, with crackdet installed anew, it is loaded by its name.

    python examples/ship_preset.py runs/NAME --out crackdet/models/presets/concrete
"""

import argparse
import datetime
from pathlib import Path
from typing import Any

import crackdet
from crackdet.files import read_json
from crackdet.models import feature_statistics, known_images, save_preset
from crackdet.models.record import read_record

KEPT = ("n", "positives", "groups", "accuracy", "recall", "precision", "auroc", "intervals",
        "confusion", "recall_at_far_1pct", "recall_at_far_0_1pct", "brier", "ece")  # fmt: skip
KEPT_ELSEWHERE = ("data", "n", "positives", "recall", "false_alarm_rate", "auroc")


def model_card(run: Path, elsewhere: list[Path]) -> dict[str, Any]:
    """Says what the run's classifier was made from, how well it does, and what it may not do."""
    record, rows = read_record(run / "model.keras"), [read_json(file) for file in elsewhere]
    config, metrics = read_json(run / "config.json"), read_json(run / "metrics.json")
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
        "scores": record and record.scores,
        "validation": {name: metrics["after"]["validation"][name] for name in KEPT},
        "test": {name: metrics["after"]["test"][name] for name in KEPT},
        "licences": {
            "code": "Apache-2.0",
            "data": "CC BY 4.0: Özgenel, Ç. F. (2019), Concrete Crack Images for Classification, "
            "Mendeley Data, V2, doi 10.17632/5y9wdsg2zt.2",
            "initial weights": "MobileNetV2 on ImageNet, as published with Keras (Apache-2.0)",
        },
        "limits": "Close-ups of clean, evenly lit walls. Measure it on your own site first: "
        "stains, joints and shadows raise false alarms, and thin, faint cracks are missed.",
        "elsewhere": [{name: row[name] for name in KEPT_ELSEWHERE} for row in rows],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("--out", type=Path, required=True, help="folder of the preset")
    parser.add_argument("--elsewhere", type=Path, nargs="*", default=[], metavar="FILE",
                        help="what crackdet evaluate RUN --data SITE --out FILE wrote")  # fmt: skip
    options = parser.parse_args()
    model = crackdet.load_model(options.run)
    alpha = read_json(options.run / "config.json")["options"]["alpha"]
    beside = {"images": known_images(options.run), "statistics": feature_statistics(options.run)}
    card = model_card(options.run, options.elsewhere)
    folder = save_preset(model, options.out, card, alpha=alpha, **beside)
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"Wrote {folder}: {size / 1e6:.1f} MB.")


if __name__ == "__main__":
    main()
