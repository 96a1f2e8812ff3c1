"""MODEL on the command line: a .keras file, a run's folder or a preset, with its threshold."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crackdet.cli import folder as run_folder
from crackdet.errors import CrackdetError
from crackdet.files import read_json
from crackdet.keras_import import import_keras

if TYPE_CHECKING:
    import keras

MODEL_HELP = "a .keras file, a run's folder, or a preset's name"


@dataclass(frozen=True)
class Classifier:
    """A loaded model, where its threshold comes from, and what its classes are called."""

    model: "keras.Model"
    threshold: float
    threshold_from: str
    class_names: tuple[str, str]

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the images that the model sees."""
        _, height, width, _ = self.model.input_shape
        return height, width


def load_classifier(name: str, threshold: float | None = None) -> Classifier:
    """Loads a model and the threshold that belongs to it.

    Args:
        name: A .keras file, a run's folder, or a preset's name.
        threshold: Overrides the model's own, which is the preset card's, or the one that the
            run chose on validation; 0.5 when the model has none.
    """
    import_keras()
    from crackdet.models import load_model

    model = load_model(name)
    outputs, size = model.output_shape[-1], model.input_shape[1:3]
    if outputs != 2 or None in size:
        raise CrackdetError(
            f"{name} maps images of {size} to {outputs} outputs: expected a classifier with a "
            "fixed image size and 2 outputs, negative and positive."
        )
    facts, source = _facts(name)
    if threshold is not None:
        facts, source = {**facts, "threshold": threshold}, "--threshold"
    names = facts.get("class_names", ("negative", "positive"))
    return Classifier(model, float(facts.get("threshold", 0.5)), source, (names[0], names[1]))


def _facts(name: str) -> tuple[dict[str, Any], str]:
    """The threshold and the classes' names that stand beside a model, and where they stand."""
    from crackdet.models import preset_card, preset_names

    path = Path(name)
    folder = path.parent if path.name == run_folder.MODEL else path
    if (folder / run_folder.METRICS).is_file():
        metrics = read_json(folder / run_folder.METRICS)
        facts = {"threshold": metrics["threshold"], "class_names": metrics["data"]["class_names"]}
        return facts, str(folder / run_folder.METRICS)
    if not path.exists() and name in preset_names():
        return dict(preset_card(name)), f"the card of the preset {name}"
    return {}, f"the default, since {name} comes without one"
