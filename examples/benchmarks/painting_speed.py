"""How many patches a second the layers that paint and augment make, beside Keras' RandAugment.

    python examples/benchmarks/painting_speed.py

Each layer takes a batch in turn, round after round, so that a machine whose speed changes serves
all alike; a figure is that of the layer's best round. On a machine that does other work, too, the
time of the processors is what counts. "compiled" is a `keras.Model` of the layer, as painted views
are made for the feature cache; "eager" is the layer called on tensors. On the backend and the GPU
that Keras finds.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from measuring import Results, free_path, in_words, machine, say
from patches import make_patches

from crackdet import layers
from crackdet.devices import jit_compile
from crackdet.layers.painting.painting_layer import PaintingLayer

Batch = dict[str, Any]
BASELINE = "keras.layers.RandAugment"


class InTraining(keras.layers.Layer):
    """Runs layers one after the other as in training, whatever the model around them says."""

    def __init__(self, *layers: keras.Layer) -> None:
        super().__init__(dtype="float32")
        self.layers = layers
        self.built = True

    def call(self, batch: Batch) -> Any:
        for layer in self.layers:
            if isinstance(layer, PaintingLayer):
                batch = layer(batch, training=True)
            else:
                batch = {**batch, "images": layer(batch["images"], training=True)}
        return batch["images"]

    def compute_output_spec(self, batch: Batch) -> Any:
        return keras.KerasTensor(batch["images"].shape, "float32")


def subjects() -> dict[str, InTraining]:
    """What is measured: functions of a dictionary of images and labels."""
    augmentation, painting = layers.augmentation(seed=0), layers.painting(seed=0)
    return {
        BASELINE: InTraining(keras.layers.RandAugment(value_range=(0, 255), seed=0)),
        "augmentation()": InTraining(augmentation),
        **{type(layer).__name__: InTraining(layer) for layer in painting.layers},
        "painting()": InTraining(painting),
        "painting(masks=True)": InTraining(layers.painting(masks=True, seed=0)),
        "painting() and augmentation()": InTraining(painting, augmentation),
    }


def compiled(subject: InTraining, batch: Batch) -> Callable[[], Any]:
    """The subject in a model, from NumPy arrays to NumPy arrays."""
    inputs = {
        name: keras.Input(value.shape[1:], dtype=str(value.dtype), name=name)
        for name, value in batch.items()
    }
    model = keras.Model(inputs, subject(inputs))
    model.jit_compile = jit_compile()
    return lambda: model.predict_on_batch(batch)


def eager(subject: InTraining, batch: Batch) -> Callable[[], Any]:
    """The subject called on tensors, done when its result can be read."""
    tensors = {name: keras.ops.convert_to_tensor(value) for name, value in batch.items()}
    return lambda: keras.ops.convert_to_numpy(subject(tensors)[:1, :1, :1])


WAYS = {"compiled": compiled, "eager": eager}


def best_seconds(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, np.ndarray]:
    """Returns the least seconds of each call, on the clock and of the processors.

    The first round, in which calls compile, does not count.
    """
    best = {name: np.full(2, np.inf) for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            start = np.array([time.perf_counter(), time.process_time()])
            call()
            if number:
                seconds = np.array([time.perf_counter(), time.process_time()]) - start
                best[name] = np.minimum(best[name], seconds)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--only", nargs="+", help="rows of the table beside RandAugment's")
    parser.add_argument("--out", help="JSON file; runs/painting-speed-N.json by default")
    options = parser.parse_args()

    here = machine()
    say(in_words(here))
    out = Path(options.out) if options.out else free_path("runs/painting-speed-{}.json")
    results = Results(out, here)
    images, labels = make_patches(options.batch_size, options.image_size, seed=0)
    batch = {"images": images.astype("float32"), "labels": labels.astype("int32")}
    for way in options.ways:
        with results.attempt(way):
            calls = {
                name: WAYS[way](subject, batch)
                for name, subject in subjects().items()
                if options.only is None or name in (BASELINE, *options.only)
            }
            seconds = best_seconds(calls, options.rounds)
            for name, (clock, processors) in seconds.items():
                note = f"{1000 * processors / len(images):.1f} ms of processors an image"
                note += f"; {seconds[BASELINE][0] / clock:.2f} times RandAugment"
                results.add(way, name, len(images) / clock, "images/s", note)
    print(results.table())
    if results.failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
