"""The recipes that `unseen_sites.py` compares, one line each: what differs from `Recipe()`."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained for sites that it will never have seen.

    Attributes:
        without: Layers left out of `crackdet.layers.painting`, by name; "all" for no painting.
        strength: Strength of the painting.
        augmentation: Strength of `crackdet.layers.augmentation`.
        originals: Patches of train, as many groups as possible.
        cracked: Share of the originals that are cracked; of the others, some get a painted crack.
        views: Views of each, the first as it is.
        head_epochs: Epochs of the head alone, before the units down to `depth` are trained too.
        ema: Momentum of the moving average of the weights; 0 for none.
        smoothing: Label smoothing.
        map_loss: Weight of the second loss, on the painted crack's mask at stride 16.
        families: Of distractors, left out: names in `crackdet.layers.DISTRACTORS`.
        contrast: `min_contrast` of `RandomCrack`: 0 for its default.
        real: Share of the originals that are real cracks, whole, laid on other sound patches.
        rate_decay: The rate is multiplied by this for each unit below the head.
        to_start: Decay of the backbone's weights towards those that it came with.
        members: How many are trained, from different seeds; their answers are averaged.
        averaged: Whether their weights are averaged instead; then all start from the same head.
        member_factor: The rate is multiplied by this from one member to the next.
        taught: Whether it is trained a second time, half on the answers of the first.
        symmetric: Whether the answers on a patch and its three mirror images are averaged.
    """

    name: str = "painted"
    without: str = ""
    strength: float = 1.0
    augmentation: float = 1.0
    originals: int = 2000
    cracked: float = 0.35
    views: int = 4
    depth: int = 6
    pooling: str = "average"
    dropout: float = 0.3
    epochs: int = 4
    head_epochs: int = 1
    head_rate: float = 1e-3
    rate: float = 3e-4
    batch_size: int = 32
    weight_decay: float = 0.01
    ema: float = 0.0
    smoothing: float = 0.02
    map_loss: float = 0.0
    families: str = ""
    contrast: float = 0.0
    real: float = 0.0
    rate_decay: float = 1.0
    to_start: float = 0.0
    members: int = 1
    averaged: bool = False
    member_factor: float = 1.0
    taught: bool = False
    symmetric: bool = False
    image_size: int = 224
    seed: int = 0


_BASE = Recipe()
_PLAIN = replace(_BASE, without="all", cracked=0.5)
_LOCAL = replace(_BASE, pooling="local")
_FAST = replace(_LOCAL, rate=1e-3, head_epochs=0)
_MORE = replace(_FAST, originals=6000, views=5, epochs=10)
_MAP = replace(_LOCAL, map_loss=1.0)
# Long at a rate at which all features stay alive: at 1e-3 most of them end at 0 on every image.
_STEADY = replace(_LOCAL, strength=1.5, head_epochs=0, epochs=8)
RECIPES = {
    each.name: each
    for each in (
        replace(_PLAIN, name="plain"),
        replace(_PLAIN, name="plain_local", pooling="local"),
        _BASE,
        replace(_BASE, name="no_distractors", without="RandomDistractor"),
        replace(_BASE, name="gem", pooling="gem"),
        replace(_LOCAL, name="local"),
        replace(_MAP, name="local_map"),
        replace(_MAP, name="local_map_0.2", map_loss=0.2),
        replace(_MAP, name="no_distractors_local_map", without="RandomDistractor"),
        replace(_LOCAL, name="local_ema", ema=0.995),
        replace(_LOCAL, name="local_no_probe", head_epochs=0),
        replace(_LOCAL, name="local_rate_1e-3", rate=1e-3),
        replace(_LOCAL, name="local_rate_1e-4", rate=1e-4),
        replace(_LOCAL, name="local_decay_0.1", weight_decay=0.1),
        replace(_LOCAL, name="local_dropout_0.6", dropout=0.6),
        replace(_LOCAL, name="local_smoothing_0.1", smoothing=0.1),
        replace(_LOCAL, name="local_hard_labels", smoothing=0.0),
        replace(_LOCAL, name="local_8_epochs", epochs=8),
        replace(_FAST, name="fast"),
        replace(_FAST, name="fast_rate_3e-3", rate=3e-3),
        replace(_FAST, name="fast_map_0.2", map_loss=0.2),
        replace(_FAST, name="fast_average", pooling="average"),
        replace(_FAST, name="fast_16_epochs", epochs=16),
        replace(_FAST, name="fast_32_epochs", epochs=32),
        replace(_FAST, name="fast_as_fit", epochs=16, weight_decay=0.0, smoothing=0.0),
        replace(_FAST, name="fast_8_epochs", epochs=8),
        replace(_FAST, name="fast_strength_0.5", strength=0.5),
        replace(_FAST, name="fast_strength_1.5", strength=1.5),
        replace(_FAST, name="fast_strength_2", strength=2.0),
        replace(_FAST, name="fast_contrast_3", contrast=3.0),
        replace(_FAST, name="fast_strength_1.5_contrast_3", strength=1.5, contrast=3.0),
        replace(_FAST, name="fast_real_cracks", real=0.15),
        replace(_FAST, name="fast_start", to_start=0.1, weight_decay=0.0),
        replace(_FAST, name="fast_rates_0.8", rate_decay=0.8),
        replace(_FAST, name="fast_three_seeds", members=3),
        replace(_FAST, name="fast_averaged", members=3, averaged=True),
        replace(_FAST, name="fast_averaged_rates", members=3, averaged=True, member_factor=3**-0.5),
        replace(_FAST, name="fast_taught", taught=True),
        replace(_FAST, name="fast_symmetric", symmetric=True),
        replace(_FAST, name="fast_288", image_size=288),
        replace(
            _FAST,
            name="fast_no_surfaces",
            families="two_surfaces,tie_holes,pores,coarse_aggregate,scratches,trowel_marks",
        ),
        replace(_FAST, name="fast_no_deposits", families="stains,efflorescence,moss"),
        replace(_FAST, name="fast_no_shadows_wires", families="shadow_edge,wires"),
        replace(
            _FAST, name="fast_no_joints", families="formwork_joint,construction_joint,board_marks"
        ),
        replace(_FAST, name="fast_no_camera", without="RandomCamera"),
        replace(_FAST, name="fast_no_zoom", without="RandomZoomOut"),
        replace(_FAST, name="fast_no_cracks", without="RandomCrack", cracked=0.5),
        replace(_FAST, name="fast_depth_10", depth=10),
        replace(_FAST, name="fast_depth_3", depth=3),
        replace(_FAST, name="fast_fewer_originals", originals=1000, views=7),
        replace(_STEADY, name="steady"),
        replace(_STEADY, name="steady_strength_1", strength=1.0),
        replace(_STEADY, name="steady_contrast_3", strength=1.0, contrast=3.0),
        replace(_STEADY, name="steady_rates_1.25", rate_decay=1.25),
        replace(_STEADY, name="steady_16_epochs", epochs=16),
        replace(_STEADY, name="steady_rate_5e-4", rate=5e-4),
        replace(_STEADY, name="steady_as_fit", weight_decay=0.0, smoothing=0.0),
        replace(_STEADY, name="steady_smoothing_0.1", smoothing=0.1),
        replace(_STEADY, name="steady_decay_0.1", weight_decay=0.1),
        replace(_MORE, name="more_depth_10", depth=10),
        replace(_MORE, name="more"),
        replace(_MORE, name="more_map_0.2", map_loss=0.2),
        replace(_MORE, name="more_average", pooling="average"),
        replace(_MORE, name="more_rate_3e-3", rate=3e-3),
        replace(_MORE, name="more_depth_3", depth=3),
    )
}
