"""A model with what its outputs mean: threshold and class names."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from crackdet.errors import CrackdetError
from crackdet.models import load_model, preset_card, preset_names
from crackdet.models.record import ModelRecord, read_record, record_file, record_of_card
from crackdet.runs import files


@dataclass(frozen=True)
class Classifier:
    """A loaded model, where its threshold comes from, and what its classes are called.

    Attributes:
        model: Maps images to probabilities of two classes.
        threshold: Probability of class 1 from which an image counts as positive.
        threshold_from: Where the threshold comes from, in words.
        class_names: Names of the two classes.
    """

    model: keras.Model
    threshold: float
    threshold_from: str
    class_names: tuple[str, ...]

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the images that the model sees."""
        _, height, width, _ = self.model.input_shape
        return height, width

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Returns the probability of class 1 for images of the model's size, float32 `(any,)`."""
        return np.asarray(self.model.predict_on_batch(images))[:, 1]

    def label(self, score: float) -> str:
        """Returns the name of the class that a score means."""
        return self.class_names[score >= self.threshold]


def load_classifier(name: str, threshold: float | None = None) -> Classifier:
    """Loads a model and the threshold that belongs to it.

    Args:
        name: A .keras file, a run's folder, or a preset's name.
        threshold: Overrides the model's own, which stands in the record beside it (a preset's, in
            its card); 0.5 when the model has none.

    Raises:
        CrackdetError: If the model cannot be loaded, or is no classifier of two classes.
    """
    model = load_model(name)
    outputs, size = model.output_shape[-1], model.input_shape[1:3]
    if outputs != 2 or None in size:
        raise CrackdetError(
            f"{name} maps images of {size} to {outputs} outputs: expected a classifier with a "
            "fixed image size and 2 outputs, negative and positive."
        )
    record, source = _record(name)
    chosen = record.threshold
    if threshold is not None:
        chosen, source = threshold, "--threshold"
    return Classifier(model, chosen, source, record.class_names)


def _record(name: str) -> tuple[ModelRecord, str]:
    """Returns the record of a model, and where it stands in words."""
    path = Path(name)
    file = path / files.MODEL if path.is_dir() else path
    if (record := read_record(file)) is not None:
        return record, str(record_file(file))
    if not path.exists() and name in preset_names():
        return record_of_card(preset_card(name)), f"the card of the preset {name}"
    return ModelRecord(), f"the default, since {name} comes without one"
