"""The rule of the best epoch is the one of Keras' early stopping."""

import math

import keras
import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from crackdet.runs.history import best_epoch, is_best_so_far, should_stop

MODEL = keras.Sequential([keras.Input((1,))])
LOSSES = st.lists(
    st.one_of(st.floats(0, 10, width=16), st.sampled_from([0.5, math.nan, math.inf])),
    min_size=1,
    max_size=12,
)


@given(losses=LOSSES, patience=st.integers(0, 4))
def test_epochs_are_kept_and_stopped_as_keras_does(losses: list[float], patience: int) -> None:
    assume(math.isfinite(losses[0]))  # Keras takes whatever comes first for a best
    stopping = keras.callbacks.EarlyStopping("val_loss", mode="min", patience=patience)
    stopping.set_model(MODEL)
    MODEL.stop_training = False
    stopping.on_train_begin()
    for epoch, loss in enumerate(losses):
        stopping.on_epoch_end(epoch, {"val_loss": loss})
        so_far = losses[: epoch + 1]
        improved = math.isfinite(loss) and stopping.best_epoch == epoch
        assert is_best_so_far(so_far) == improved
        assert (not improved and should_stop(so_far, patience)) == MODEL.stop_training
        if MODEL.stop_training:
            break


@given(losses=LOSSES)
def test_the_best_epoch_is_the_first_of_the_lowest(losses: list[float]) -> None:
    finite = [loss for loss in losses if np.isfinite(loss)]
    best = best_epoch(losses)
    if best is None:
        assert not finite
    else:
        assert losses[best] == min(finite)
        assert min(finite) not in losses[:best]
