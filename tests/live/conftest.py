"""Keras 3 and Keras 2, imported so that they write their configuration into a folder of the test's.

A setting of the user's own would change what they answer.
"""

from __future__ import annotations

import importlib
import warnings
from types import ModuleType

import pytest


def imported(name: str, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))
        patch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
        pytest.importorskip("tensorflow")
        return importlib.import_module(name)


@pytest.fixture(scope="session")
def keras3(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return imported("keras", tmp_path_factory)


@pytest.fixture(scope="session")
def keras2(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    pytest.importorskip("tf_keras")
    return imported("tf_keras", tmp_path_factory)
