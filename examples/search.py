"""Searches dropout, learning rate and unfreeze depth in a space of your own.

`tuning.search` seeds every trial, reports failed ones, and goes on where it stopped when it is
called again with the same directory.

    python examples/search.py --tuner bayesian --max-trials 4 --directory runs/example-bayesian
"""

import argparse

import crackdet
import tuning


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="demo", help="demo, concrete_cracks or a folder")
    parser.add_argument("--data-dir", help="where built data sets stand")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--alpha", type=float, default=1.0)
    parser.add_argument("--weights", default="concrete", help="concrete, imagenet or none")
    parser.add_argument("--tuner", default="random", help="bayesian, hyperband, random or grid")
    parser.add_argument("--max-trials", type=int, default=3)
    parser.add_argument("--search-images", type=int, default=200)
    parser.add_argument("--directory", default="runs/example-search")
    options = parser.parse_args()

    data = crackdet.load_data(
        options.data, image_size=options.image_size, data_dir=options.data_dir
    )
    result = tuning.search(
        data,
        tuner=options.tuner,
        max_trials=options.max_trials,
        space=tuning.SearchSpace(
            dropout=(0.0, 0.5), learning_rate=(1e-4, 1e-2), unfreeze_depth=(0, 2)
        ),
        directory=options.directory,
        epochs=1,
        search_images=options.search_images,
        alpha=options.alpha,
        weights=None if options.weights == "none" else options.weights,
    )
    for trial in result.trials:
        print({name: trial[name] for name in ("trial", "status", "unfreeze_depth", "val_loss")})
    print(f"best: {result.best}; trials and project stand in {result.directory}")


if __name__ == "__main__":
    main()
