"""A model's file that cannot be loaded is called what it is."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest

from crackdet.errors import CrackdetError
from crackdet.models import load_model


@keras.saving.register_keras_serializable(package="mine")
class Doubling(keras.layers.Layer):
    """A layer of somebody's own."""

    def call(self, inputs: Any) -> Any:
        return 2 * inputs

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape


@keras.saving.register_keras_serializable(package="mine")
def halving(inputs: Any) -> Any:
    """A function of somebody's own."""
    return inputs / 2


def save(path: Path, *layers: keras.Layer) -> Path:
    keras.Sequential([keras.Input((4,)), *layers]).save(path)
    return path


def rewrite(path: Path, part: str, change: Callable[[Any], Any]) -> None:
    """Changes one of the JSON files inside a `.keras` file."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[part] = json.dumps(change(json.loads(parts[part]))).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def refusal(path: Path) -> str:
    with pytest.raises(CrackdetError) as error:
        load_model(path)
    sentence = str(error.value)
    assert sentence.startswith(str(path))
    assert "\n" not in sentence
    return sentence


def test_a_file_of_another_version_of_keras_names_both(tmp_path: Path) -> None:
    path = save(tmp_path / "m.keras", keras.layers.Dense(2, name="head"))
    rewrite(path, "metadata.json", lambda facts: {**facts, "keras_version": "4.0.0"})

    def of_tomorrow(config: dict[str, Any]) -> dict[str, Any]:
        config["config"]["layers"][-1]["class_name"] = "DenseOfTomorrow"
        return config

    rewrite(path, "config.json", of_tomorrow)
    sentence = refusal(path)
    assert f"was written by Keras 4.0.0, this is {keras.__version__}" in sentence
    assert "damaged" not in sentence


def test_a_lambda_layer_is_refused_and_its_code_does_not_run(tmp_path: Path) -> None:
    path = save(tmp_path / "m.keras", keras.layers.Lambda(lambda x: x + 1))
    assert "holds a Lambda layer, which is refused for safety" in refusal(path)


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (Doubling(), f"Doubling of {__name__}."),
        (keras.layers.Dense(2, activation=halving), "mine>halving."),
        (keras.layers.TimeDistributed(Doubling()), f"Doubling of {__name__}."),
    ],
)
def test_what_nobody_registered_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layer: keras.Layer, name: str
) -> None:
    inputs = keras.Input((3, 4))
    keras.Model(inputs, layer(inputs)).save(tmp_path / "m.keras")
    assert load_model(tmp_path / "m.keras").output_shape[0] is None
    registered = keras.saving.get_custom_objects()
    for known in [key for key in registered if key.startswith("mine>")]:
        monkeypatch.delitem(registered, known)
    sentence = refusal(tmp_path / "m.keras")
    assert f"not registered with Keras here: {name}" in sentence
    assert "Import the module that defines it first" in sentence


def test_a_file_with_a_broken_part_is_damaged(tmp_path: Path) -> None:
    path = save(tmp_path / "m.keras", keras.layers.Dense(64))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(byte ^ 255 for byte in content[middle : middle + 40])
    path.write_bytes(content)
    assert "is damaged" in refusal(path)


def test_weights_of_other_layers_are_said_in_keras_words(tmp_path: Path) -> None:
    path = save(tmp_path / "m.keras", keras.layers.Dense(2, name="head"))

    def wider(config: dict[str, Any]) -> dict[str, Any]:
        config["config"]["layers"][-1]["config"]["units"] = 3
        return config

    rewrite(path, "config.json", wider)
    sentence = refusal(path)
    assert "could not be loaded (" in sentence
    assert "head" in sentence
    assert "damaged" not in sentence
    assert len(sentence) < 400


def test_an_archive_without_a_model_is_damaged(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("notes.txt", "hello")
    assert "is damaged" in refusal(tmp_path / "m.keras")
