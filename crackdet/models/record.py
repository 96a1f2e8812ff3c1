"""The record beside a model: what its outputs mean, and where it comes from."""

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from crackdet.errors import CrackdetError
from crackdet.files import read_json, write_json

SUFFIX = ".json"


@dataclass(frozen=True)
class ModelRecord:
    """What must be known of a classifier beside its weights.

    Attributes:
        class_names: Names of the outputs, in their order.
        threshold: Probability of class 1 from which an image counts as positive.
        threshold_rule: How it was chosen, in words.
        temperature: By which the logits were divided; it is part of the weights already.
        provenance: Data set, versions and whatever else tells how the model came about.
        patch_side: Longer side, in pixels, of the pictures that it was trained from, before they
            were resized; None where nobody has recorded it.
        scores: The calibrated scores that the threshold was chosen on, as
            `crackdet.models.validation_scores` stores them; None where nobody has recorded them.
        miss_cost: What a missed crack cost in false alarms when the threshold was chosen; None
            where nobody has recorded it.
    """

    class_names: tuple[str, ...] = ("negative", "positive")
    threshold: float = 0.5
    threshold_rule: str = ""
    temperature: float = 1.0
    provenance: dict[str, Any] = field(default_factory=dict)
    patch_side: int | None = None
    scores: dict[str, str] | None = None
    miss_cost: float | None = None


def record_file(model_file: Path) -> Path:
    """Returns where the record of a model's file stands: beside it, `model.json`."""
    return model_file.with_suffix(SUFFIX)


def write_record(model_file: Path, record: ModelRecord) -> None:
    """Writes the record of a model beside its file."""
    write_json(record_file(model_file), asdict(record))


def read_record(model_file: Path) -> ModelRecord | None:
    """Returns the record that stands beside a model's file; None where there is none.

    Fields of later versions are passed over.

    Raises:
        CrackdetError: If the record is broken.
    """
    path = record_file(model_file)
    if not path.is_file():
        return None
    try:
        return _record(read_json(path))
    except (ValueError, TypeError, AttributeError) as error:
        raise CrackdetError(
            f"{path} is no record of a model ({error}): copy it again, or remove it and say the "
            "threshold yourself."
        ) from error


def record_of_card(card: dict[str, Any]) -> ModelRecord:
    """Returns the record that a preset's model card holds among its figures."""
    facts = {"class_names": card.get("data", {}).get("class_names"), **card}
    return _record({name: value for name, value in facts.items() if value is not None})


def _record(values: Any) -> ModelRecord:
    if not isinstance(values, dict):
        raise TypeError("expected names and values")
    known = {each.name: values[each.name] for each in fields(ModelRecord) if each.name in values}
    if "class_names" in known:
        known["class_names"] = tuple(known["class_names"])
    if "threshold" in known:
        known["threshold"] = float(known["threshold"])
    if known.get("patch_side") is not None:
        known["patch_side"] = int(known["patch_side"])
    return ModelRecord(**known)
