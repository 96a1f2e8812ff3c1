"""What a search found, and the model of its best trial."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import keras_tuner

from crackdet.errors import CrackdetError
from crackdet.files import read_json
from crackdet.runs import files
from tuning.hypermodel import CrackHyperModel


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        best: The best trial's dropout, learning_rate and unfreeze_depth.
        trials: The rows of trials.csv, failed trials included, as dictionaries.
        directory: The search's folder.
    """

    best: dict[str, Any]
    trials: list[dict[str, Any]]
    directory: Path
    _model: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def load_best(self) -> keras.Model:
        """Returns the best trial's classifier with the weights that it was measured with.

        Raises:
            CrackdetError: If its weights were not kept (`keep_checkpoints=0`).

        Example:

        >>> model = found.load_best()
        """
        trial = read_json(self.directory / files.BEST_HYPERPARAMETERS)["trial"]
        path = self.directory / files.checkpoint(trial)
        if not path.is_file():
            raise CrackdetError(
                f"{path} is missing: the search kept no weights of its best trial; give it "
                "keep_checkpoints of 1 or more, or train with its best hyperparameters."
            )
        hp = keras_tuner.HyperParameters()
        hp.values = dict(self.best)
        model = CrackHyperModel(**{**self._model, "weights": None, "cache": None}).build(hp)
        model.load_weights(path)
        return model
