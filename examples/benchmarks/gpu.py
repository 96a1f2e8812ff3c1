"""What crackdet does on a GPU, measured by one command, with images that it makes itself.

    KERAS_BACKEND=torch python examples/benchmarks/gpu.py             # one GPU
    KERAS_BACKEND=torch python examples/benchmarks/gpu.py --small     # tiny sizes, for a CPU too

Starts from the shipped weights and downloads nothing. The parts:

    pass    images/s of the frozen pass for unfreeze depths 0 and 6, in float32 and float16, and
            the validation loss of a short fit on either's features
    plain   images/s of full fine-tuning on images in memory, in float32 and mixed precision
    demo    seconds of `crackdet run --data demo`
    search  how much faster a small search is than plain KerasTuner on the same device
    cached  images/s of training on cached features, by unfreeze depth, in either precision

Compilation stands apart from every speed: passes are timed after one over other images, trainings
by their second epoch, whose seconds hold the validation. Each figure is printed and written to
--out as it comes; what raises is told and the rest goes on. On a GPU what would begin after
--seconds is left out. Ends with a table and `gpu: ok`, `cpu: ok` or `... FAILED`.
"""

import argparse
import dataclasses
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from measuring import Results, free_path, in_words, machine, say
from patches import make_patches

import crackdet
from crackdet.keras_import import import_keras

PASS_DEPTHS = (0, 6)
FIT_DEPTHS = (0, 2)
# For one H100; others are told their figures alone.
PASS_AIM, PLAIN_AIM, DEMO_AIM = 3000, 2500, 60


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Batches are full ones: another size would be compiled for, once more.

    Args:
        image_size: Side of the images in pixels.
        passed: Training images of the pass.
        train: Those of them that trainings take.
        validation: Validation images.
        warm_up: Images of the pass that compiles.
        batch: Images of a step.
        plain: Batch and whether in mixed precision, of each full fine-tuning.
        depths: Unfreeze depths of the trainings on cached features.
        search: Trials, epochs, training images and depths of the search.
        demo: Options of the demo's run.
    """

    image_size: int
    passed: int
    train: int
    validation: int
    warm_up: int
    batch: int
    plain: tuple[tuple[int, bool], ...]
    depths: tuple[int, ...]
    search: tuple[int, int, int, tuple[int, int]]
    demo: tuple[str, ...]


FULL = Sizes(
    image_size=224, passed=5760, train=2304, validation=384, warm_up=512, batch=32,
    plain=((192, True), (192, False), (32, True), (32, False)), depths=(0, 4, 8, 18),
    search=(4, 2, 960, (0, 6)), demo=(),
)  # fmt: skip
# On images smaller than these, float16 moves features beyond what a pass accepts.
SMALL = Sizes(
    image_size=72, passed=32, train=32, validation=16, warm_up=16, batch=16,
    plain=((16, True),), depths=(0, 2), search=(1, 1, 32, (0, 1)),
    demo=(
        "--image-size", "32", "--max-trials", "1", "--search-images", "64", "--search-epochs", "1",
        "--epochs", "1", "--views", "1", "--bootstrap", "20",
    ),
)  # fmt: skip


class Bench:
    """What the parts share: data, a folder for caches, and where figures go."""

    def __init__(self, sizes: Sizes, results: Results, folder: Path, *, gpu: bool):
        from crackdet.data import CrackData

        self.sizes = sizes
        self.results = results
        self.folder = folder
        self.gpu = gpu
        size, none = sizes.image_size, make_patches(0, sizes.image_size, 0)
        start = time.perf_counter()
        self.passed = CrackData.from_arrays(
            make_patches(sizes.passed, size, 1), make_patches(sizes.validation, size, 2), none,
            image_size=size, batch_size=sizes.batch,
        )  # fmt: skip
        self.others = CrackData.from_arrays(
            make_patches(sizes.warm_up, size, 3), make_patches(sizes.warm_up, size, 4), none,
            image_size=size, batch_size=sizes.batch,
        )  # fmt: skip
        few = self.passed.train.subset(range(sizes.train))
        self.data = dataclasses.replace(self.passed, train=few)
        self._caches: dict[bool, object] = {}
        self._model = None
        count = sizes.passed + sizes.validation + 2 * sizes.warm_up
        say(f"{count} images of {size} px made in {time.perf_counter() - start:.1f} s")

    def cache(self, half: bool = False):
        """Returns the cache of features that are computed in float32, or float16."""
        from crackdet.features import FeatureCache

        if half not in self._caches:
            # By name, since "auto" would take another engine for few images than for many.
            engine = "keras" if self.gpu or half else "auto"
            folder = self.folder / ("half" if half else "full")
            self._caches[half] = FeatureCache(
                folder, engine=engine, half_precision=half, max_gb=100, verbose=0
            )
        return self._caches[half]

    def model(self, depth: int):
        """Returns the classifier before any training. There is but one: building takes seconds."""
        from crackdet.models import new_classifier, set_unfreeze_depth

        if self._model is None:
            self._model = new_classifier(
                self.sizes.image_size,
                unfreeze_depth=depth,
                dropout=0.2,
                weights="concrete",
                strength=0,
                seed=0,
            )
            self._weights = self._model.get_weights()
        self._model.set_weights(self._weights)
        return set_unfreeze_depth(self._model, depth)

    def fit(self, depth: int, data, **options) -> dict[str, list]:
        """Trains two epochs at one depth, if there is time; returns what each measured."""
        from crackdet.training import fit

        self.results.check_time()
        return fit(
            self.model(depth), data, epochs=2, head_epochs=0 if depth else None, patience=None,
            verbose=0, **options,
        ).history  # fmt: skip

    def speed(self, part: str, what: str, history: dict[str, list], **aim) -> None:
        """Tells the speed of a training's second epoch, and its validation loss."""
        first, second = history["seconds"]
        note = f"val_loss {min(history['val_loss']):.6f}, first epoch {first:.1f} s"
        self.results.add(part, what, self.sizes.train / second, "images/s", note, **aim)


def measure_pass(bench: Bench) -> None:
    """Times the frozen pass, and trains shortly on what it gave."""
    model, data = bench.model(0), bench.passed
    count = data.train.num_images + data.validation.num_images
    words = {False: "float32", True: "float16"}
    passed = []
    for half in words:
        what = f"depths {PASS_DEPTHS[0]} and {PASS_DEPTHS[1]}, {words[half]}"
        with bench.results.attempt(f"pass, {what}"):
            start = time.perf_counter()
            bench.cache(half).prepare(model, PASS_DEPTHS, bench.others)
            middle = time.perf_counter()
            expect_kept(bench.cache(half).prepare(model, PASS_DEPTHS, data), PASS_DEPTHS)
            seconds = time.perf_counter() - middle
            note = f"{count} images in {seconds:.1f} s, after {middle - start:.1f} s of warm-up"
            bench.results.add("pass", what, count / seconds, "images/s", note, at_least=PASS_AIM)
            passed.append(half)
    for depth, half in itertools.product(FIT_DEPTHS, passed):
        what = f"fit at depth {depth} on {words[half]} features"
        with bench.results.attempt(f"pass, {what}"):
            losses = bench.fit(depth, bench.data, views=1, cache=bench.cache(half))["val_loss"]
            bench.results.add("pass", what, min(losses), "val_loss")


def measure_plain(bench: Bench) -> None:
    """Times full fine-tuning on images in memory."""
    for batch, mixed in bench.sizes.plain:
        what = f"depth 18, batch {batch}, {'mixed precision' if mixed else 'float32'}"
        with bench.results.attempt(f"plain, {what}"):
            train = bench.data.train.subset(range(bench.data.train.num_images))
            validation = bench.data.validation.in_order()
            train.batch_size = validation.batch_size = batch
            data = dataclasses.replace(bench.data, train=train, validation=validation)
            history = bench.fit(18, data, mixed_precision=mixed)
            bench.speed("plain", what, history, at_least=PLAIN_AIM)


def measure_demo(bench: Bench) -> None:
    """Times `crackdet run` in a process of its own."""
    from crackdet.files import read_json
    from crackdet.runs import files

    out = bench.folder / "demo"
    command = [sys.executable, "-m", "crackdet", "run", "--data", "demo", "--out", str(out)]
    paths = [str(Path(crackdet.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    start = time.perf_counter()
    done = subprocess.run(
        [*command, *bench.sizes.demo],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(
            f"exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
        )
    stages = read_json(out / files.SECONDS)
    note = "of which " + ", ".join(f"{name} {value:.0f}" for name, value in stages.items())
    tiny = ", tiny" if bench.sizes.demo else ""
    bench.results.add("demo", f"crackdet run --data demo{tiny}", seconds, "s", note, below=DEMO_AIM)


def measure_search(bench: Bench) -> None:
    """Times a small search beside plain KerasTuner."""
    import searches

    trials, epochs, images, depths = bench.sizes.search
    setup = searches.Setup(trials, epochs, bench.sizes.image_size, seed=searches.QUICK_SEED)
    data = dataclasses.replace(bench.data, train=bench.data.train.subset(range(images)))
    found = searches.compare(setup, data, depths, "search", bench.folder)
    what = f"{trials} trials at depths {depths[0]} to {depths[1]}, {epochs} epochs, {images} images"
    note = f"plain {found.plain.seconds:.1f} s, crackdet {found.ours.seconds:.1f} s"
    bench.results.add("search", what, found.ratio, "x", note)


def measure_cached(bench: Bench) -> None:
    """Times trainings on cached features."""
    depths = bench.sizes.depths
    expect_kept(bench.cache().prepare(bench.model(0), depths, bench.data), depths)
    for depth, mixed in itertools.product(depths, (False, True)):
        what = f"depth {depth}, {'mixed precision' if mixed else 'float32'}"
        with bench.results.attempt(f"cached, {what}"):
            cache = bench.cache()
            history = bench.fit(depth, bench.data, views=1, cache=cache, mixed_precision=mixed)
            bench.speed("cached", what, history)


def expect_kept(kept: list[int], depths: tuple[int, ...]) -> None:
    """Raises where features had no room: trainings would run on images."""
    if kept != sorted(depths):
        raise RuntimeError(f"features of depths {kept} alone have room, not of {depths}")


PARTS: dict[str, Callable[[Bench], None]] = {
    "pass": measure_pass,
    "plain": measure_plain,
    "demo": measure_demo,
    "search": measure_search,
    "cached": measure_cached,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--small", action="store_true", help="tiny sizes; always so without a GPU")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--out", type=Path, help="JSON file; default: runs/gpu-N.json")
    parser.add_argument("--seconds", type=float, default=270, help="for a GPU, see above")
    options = parser.parse_args()
    import_keras()
    where = machine()
    gpu = where["gpu"] is not None
    results = Results(
        options.out or free_path("runs/gpu-{}.json"),
        where,
        with_aims="H100" in (where["gpu"] or "") and not options.small,
        seconds=options.seconds if gpu else None,
    )
    say(f"{in_words(where)}\nFigures: {results.path}")
    sizes = SMALL if options.small or not gpu else FULL
    if not gpu:
        say("No GPU: tiny sizes, which show that everything runs and nothing about speed.")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(sizes, results, Path(folder), gpu=gpu)
        for name, measure in PARTS.items():
            if name in options.parts:
                with results.attempt(name):
                    results.check_time()
                    measure(bench)
    say(f"\n{in_words(where)}\n\n{results.table()}\n\n{results.seconds:.0f} s in all")
    if results.left_out:
        say(f"Left out, as {options.seconds:.0f} s were over: {'; '.join(results.left_out)}")
    kind = "gpu" if gpu else "cpu"
    say(f"{kind}: FAILED: {'; '.join(results.failed)}" if results.failed else f"{kind}: ok")
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
