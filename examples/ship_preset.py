"""Turns a finished run into a preset: small weights, a configuration and a model card.

The shipped preset `concrete` was made like this. Your own product needs config.json and the
weights: `mobilenet_v2_classifier(**config, weights="FOLDER/model.weights.h5")`. In
crackdet/models/presets, with crackdet installed anew, it is loaded by its name.

    crackdet transfer runs/NAME --sites sites.csv --out runs/NAME-elsewhere
    python examples/ship_preset.py runs/NAME --out crackdet/models/presets/concrete \\
        --elsewhere runs/NAME-elsewhere/sites.json
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import crackdet
from crackdet.evaluation.model_card import model_card
from crackdet.files import read_json
from crackdet.models import feature_statistics, known_images, save_preset


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
    parser.add_argument("--note", help="what the run's options do not say of the training")
    options = parser.parse_args()
    model = crackdet.load_model(options.run)
    alpha = read_json(options.run / "config.json")["options"]["alpha"]
    beside = {"images": known_images(options.run), "statistics": feature_statistics(options.run)}
    card = model_card(options.run, rows_elsewhere(options.elsewhere))
    if options.note:
        card["note"] = options.note
    folder = save_preset(model, options.out, card, alpha=alpha, **beside)
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"Wrote {folder}: {size / 1e6:.1f} MB.")


if __name__ == "__main__":
    main()
