"""The examples in the docstrings run and print what they say."""

import doctest
import importlib
import pkgutil

import keras
import numpy as np
import pytest

import crackdet.layers

MODULES = [
    module.name for module in pkgutil.walk_packages(crackdet.layers.__path__, "crackdet.layers.")
]


@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    public = {name: getattr(crackdet.layers, name) for name in crackdet.layers.__all__}
    failed, _ = doctest.testmod(
        importlib.import_module(name),
        extraglobs={"keras": keras, "np": np, **public},
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE,
    )
    assert failed == 0
