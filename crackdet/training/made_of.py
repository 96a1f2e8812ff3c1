"""What a kept result of a training hangs on: so that another one is not taken for it."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from crackdet.data.dataset import CrackData
from crackdet.features import painted
from crackdet.features.digests import config_digest
from crackdet.stress import VERSION as STRESS_VERSION


def made_of(
    data: CrackData,
    options: Mapping[str, Any],
    stress_images: int | None = None,
    weights: Iterable[ArrayLike] = (),
) -> str:
    """Returns a digest of a training.

    Args:
        data: What is trained on, validated on and held out.
        options: Arguments of `crackdet.training.fit`.
        stress_images: How many stress pictures are made of the validation images; None for none.
        weights: Those that the training starts from, where they are not told by the options.
    """
    rest = {name: value for name, value in options.items() if name != "callbacks"}
    if rest.get("painting") is not None:
        rest["painting"] = [painted.VERSION, config_digest([rest["painting"]])]
    if stress_images is not None:
        rest["stress"] = [STRESS_VERSION, stress_images]
    text = json.dumps([data.fingerprint, data.test.digests, rest], sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode())
    for each in weights:
        digest.update(np.ascontiguousarray(each).tobytes())
    return digest.hexdigest()
