"""Settings of the tests in this folder: measurements as short as they can be."""

import pytest

from sparse_keras.evaluation import measure
from sparse_keras.evaluation.tabular import sklearn_baselines


@pytest.fixture(autouse=True, scope="package")
def short():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "_REPEATS", 2)
        patch.setattr(sklearn_baselines, "MAX_TREES", 15)
        yield


@pytest.fixture(autouse=True)
def fresh_state():
    """Nothing here depends on what was built before."""
