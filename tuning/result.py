"""What a search found: its best hyperparameters, its trials, and the best trial's classifier."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import keras_tuner

from crackdet.errors import CrackdetError
from crackdet.files import read_json, write_json
from crackdet.runs import files
from crackdet.runs.trials import hyperparameters_in
from tuning.display import Display
from tuning.hypermodel import CrackHyperModel


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        best: The best trial's dropout, learning_rate and unfreeze_depth, and its painting where
            images are painted.
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
        # What the starting weights brought along, the trial's own weights do not tell.
        pooling = CrackHyperModel(**self._model).pooling_of_trials()
        settings = {**self._model, "pooling": pooling, "weights": None, "cache": None}
        model = CrackHyperModel(**settings).build(hp)
        model.load_weights(path)
        return model


def write_best(display: Display, max_trials: int) -> dict[str, Any]:
    """Writes best_hyperparameters.json, tells what was found, returns the best hyperparameters."""
    board = display.leaderboard
    if len(board.trials) < max_trials:
        display.say(
            f"Ended after {len(board.trials)} of {max_trials} trials: the search space holds "
            "nothing more to try."
        )
    if not board.ranked():
        last = board.trials[-1]
        raise CrackdetError(
            f"All {len(board.trials)} trials failed, the last with {last.outcome.error} "
            f"(traceback in {board.folder / files.error_file(last.task.trial)}). Mend the "
            "cause and search in another directory."
        )
    best = board.row(board.ranked()[0])
    chosen = {name: best[name] for name in hyperparameters_in(best)}
    write_json(
        board.folder / files.BEST_HYPERPARAMETERS,
        {
            **chosen,
            "objective": board.objective,
            "value": best[board.objective],
            "trial": best["trial"],
        },
    )
    display.say(f"Best: {display.describe(board.ranked()[0])}")
    display.say(
        f"Results: {board.folder / files.TRIALS}, {board.folder / files.BEST_HYPERPARAMETERS}"
    )
    display.say(f"Curves: tensorboard --logdir {board.folder / files.TENSORBOARD}")
    return chosen
