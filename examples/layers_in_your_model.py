"""Puts crackdet's layers into a model of your own.

RandomDihedral and RandomIllumination augment while training and do nothing at inference;
GeneralizedMeanPooling2D learns how far to lean from the mean to the maximum, which suits thin
cracks that fill few pixels. A saved model loads again without custom_objects.

    python examples/layers_in_your_model.py --epochs 5
"""

import argparse
import tempfile
from pathlib import Path

import keras
import numpy as np

import crackdet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="demo")
    parser.add_argument("--data-dir", help="where built data sets stand")
    parser.add_argument("--image-size", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args()

    data = crackdet.load_data(
        options.data, image_size=options.image_size, data_dir=options.data_dir
    )
    keras.utils.set_random_seed(0)
    pooling = crackdet.layers.GeneralizedMeanPooling2D(p=3.0)
    model = keras.Sequential(
        [
            keras.Input((options.image_size, options.image_size, 3)),
            crackdet.layers.RandomDihedral(seed=1),
            crackdet.layers.RandomIllumination(seed=2),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(16, 5, strides=2, activation="relu"),
            keras.layers.Conv2D(32, 3, strides=2, activation="relu"),
            keras.layers.Conv2D(64, 3, strides=2, activation="relu"),
            pooling,
            keras.layers.Dense(len(data.class_names), activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(data.train, validation_data=data.validation, epochs=options.epochs, verbose=2)
    print(f"pooling exponent after training: {np.exp(pooling.get_weights()[0]):.3f}")

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.keras"
        model.save(path)
        images, _ = data.validation[0]
        # Keras' rule: a model called without `training=False` may augment.
        answers = [m(images, training=False) for m in (model, keras.saving.load_model(path))]
        same = np.allclose(*map(keras.ops.convert_to_numpy, answers))
        print(f"the saved model predicts the same: {same}")


if __name__ == "__main__":
    main()
