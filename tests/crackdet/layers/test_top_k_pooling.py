"""TopKPooling2D."""

import keras
import numpy as np
import pytest

from crackdet.layers import TopKPooling2D
from tests.layer_checks import check_layer


def pool(features: np.ndarray, **kwargs) -> np.ndarray:
    return keras.ops.convert_to_numpy(TopKPooling2D(**kwargs)(features))


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_the_common_checks(tmp_path, data_format: str) -> None:
    arguments = {"share": 0.2, "data_format": data_format}
    check_layer(TopKPooling2D, arguments, (4, 6, 5, 3), tmp_path)


@pytest.mark.parametrize(("share", "count"), [(1e-9, 1), (0.1, 3), (0.5, 15), (1.0, 30)])
def test_it_is_the_mean_of_the_largest(share: float, count: int) -> None:
    features = np.random.default_rng(0).normal(size=(2, 6, 5, 3)).astype("float32")
    largest = np.sort(features.reshape(2, 30, 3), axis=1)[:, -count:]
    np.testing.assert_allclose(pool(features, share=share), largest.mean(1), atol=1e-6)
    first = np.moveaxis(features, 3, 1)
    again = pool(first, share=share, data_format="channels_first")
    np.testing.assert_allclose(again, largest.mean(1), atol=1e-6)


@pytest.mark.parametrize("wrong", [{"share": 0}, {"share": 1.5}, {"data_format": "NHWC"}])
def test_wrong_arguments_are_refused(wrong) -> None:
    with pytest.raises(ValueError, match=r"Received: (share|data_format)="):
        TopKPooling2D(**wrong)


def test_a_share_of_unknown_sides_is_refused() -> None:
    with pytest.raises(ValueError, match="known height and width"):
        TopKPooling2D()(keras.Input((None, 5, 3)))
