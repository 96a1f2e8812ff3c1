"""Loads the data set with plain TensorFlow Datasets and trains a small Keras model on it.

Nothing of crackdet is used but the data set, which importing crackdet registers. The config `demo`
is made on the spot; `concrete_cracks` is the real one (see "Data" in the project's README).

    python examples/load_with_tfds.py --name concrete_cracks/demo
"""

import argparse

import keras
import tensorflow as tf
import tensorflow_datasets as tfds

import crackdet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="concrete_cracks/demo")
    parser.add_argument("--data-dir", help="where built data sets stand")
    parser.add_argument("--image-size", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args()
    print(f"crackdet {crackdet.__version__}")

    splits, info = tfds.load(
        options.name,
        split=["train", "validation", "test"],
        as_supervised=True,
        with_info=True,
        data_dir=options.data_dir,
    )
    print(info.features["label"].names, {name: s.num_examples for name, s in info.splits.items()})

    def prepare(dataset: tf.data.Dataset) -> tf.data.Dataset:
        size = (options.image_size, options.image_size)
        return dataset.map(lambda image, label: (tf.image.resize(image, size), label)).batch(32)

    train, validation, test = splits
    # Records stand in a fixed order: shuffle train, and train only.
    train = prepare(train.shuffle(2000, seed=0)).prefetch(tf.data.AUTOTUNE)

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((options.image_size, options.image_size, 3)),
            keras.layers.Rescaling(1 / 127.5, offset=-1),
            keras.layers.Conv2D(16, 5, strides=2, activation="relu"),
            keras.layers.Conv2D(32, 3, strides=2, activation="relu"),
            keras.layers.Conv2D(64, 3, strides=2, activation="relu"),
            keras.layers.GlobalMaxPooling2D(),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(train, validation_data=prepare(validation), epochs=options.epochs, verbose=2)
    loss, accuracy = model.evaluate(prepare(test), verbose=0)
    print(f"test: loss {loss:.3f}, accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main()
