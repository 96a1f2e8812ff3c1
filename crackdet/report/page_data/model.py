"""The model: its parameters and its layers."""

from typing import Any

from crackdet.report.page_data.tables import Table
from crackdet.report.run import Run
from crackdet.report.words import percent, plural, shape


def model(run: Run) -> dict[str, Any]:
    """Returns the sizes of the model and the table of its layers."""
    architecture = run.architecture
    rows = [
        [
            layer["name"],
            layer["type"],
            shape(layer["output_shape"]),
            f"{layer['params']:,}",
            "yes" if layer["trainable"] else "no",
        ]
        for layer in architecture["layers"]
    ]
    header = ["Layer", "Type", "Output", "Parameters", "Trained"]
    share = architecture["trainable_params"] / max(1, architecture["params"])
    return {
        "parameters": f"{architecture['params']:,}",
        "trained": f"{architecture['trainable_params']:,}",
        "trained_share": percent(share),
        "layer_count": plural(len(rows), "layer"),
        "layers": Table("Layers of the model", header, rows),
    }
