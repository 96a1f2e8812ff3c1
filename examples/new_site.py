"""Measures a classifier on a site of your own, and adapts it by a few labelled patches.

The folder holds one folder a class, such as crack/ and no_crack/. Half of its photos are for
adapting; the others measure before and after. Without --folder, procedural patches are written to a
temporary one first, eight of them a photo.

    python examples/new_site.py --folder my_patches --group-by '(DSC\\d+)'
"""

import argparse
import tempfile
from pathlib import Path

import keras
import numpy as np
from PIL import Image

import crackdet
from crackdet.evaluation import Site, adapt, transfer
from crackdet.features import FeatureCache
from crackdet.models import feature_statistics
from tfds_builder.concrete_cracks.procedural import demo_image


def write_demo_patches(folder: Path, count: int) -> None:
    for index in range(count):
        pixels, label = demo_image(index, seed=2)
        path = folder / ("no_crack", "crack")[label] / f"photo{index // 8}-{index:03d}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels // 3).save(path, quality=60)  # a dark site, much compressed


def measure(model: keras.Model, site: Site, threshold: float) -> None:
    (found,) = transfer(model, [site], threshold=threshold)
    row, untrained = found.row, found.row["untrained"]
    print(
        f"{site.name}: {row['n']} patches of {row['groups']} photos, AUROC {row['auroc']:.4f} "
        f"{row['intervals']['auroc']}, recall {row['recall']:.3f}, "
        f"false alarms {row['false_alarm_rate']:.3f}; best untrained filter "
        f"{untrained['best']} {untrained['auroc'][untrained['best']]:.4f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", help="your patches; procedural ones without it")
    parser.add_argument("--group-by", default=r"(photo\d+)", help="what names a patch's photo")
    parser.add_argument("--patches", type=int, default=160, help="procedural patches to write")
    parser.add_argument("--image-size", type=int, default=224)
    options = parser.parse_args()

    model = crackdet.models.mobilenet_v2_classifier(options.image_size, weights="concrete")
    threshold = crackdet.models.preset_card("concrete")["threshold"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.folder or temporary)
        if not options.folder:
            write_demo_patches(folder, options.patches)
        data = crackdet.load_data(
            folder, image_size=options.image_size, group_by=options.group_by, cut=False, audit=False
        )
        images, photos = data.whole(), np.unique(data.whole().groups)
        first = np.isin(images.groups, photos[::2])
        few, rest = (images.subset(np.flatnonzero(part)) for part in (first, ~first))
        measure(model, Site("before", rest), threshold)
        with tempfile.TemporaryDirectory() as place:
            adapted = adapt(model, few, FeatureCache(place), threshold=threshold,
                            statistics=feature_statistics("concrete"))  # fmt: skip
        print(f"cross-validated AUROC gain {adapted.gain['auroc']:+.4f}, log loss saved "
              f"{adapted.gain['log_loss']:+.4f}; {adapted.why_not or 'kept'}")  # fmt: skip
        if adapted.better:
            adapted.head.put_into(model)
            measure(model, Site("after", rest), adapted.choice.threshold)


if __name__ == "__main__":
    main()
