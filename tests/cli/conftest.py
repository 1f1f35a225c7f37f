"""Settings of the tests in this folder."""

import pytest


@pytest.fixture(autouse=True)
def fresh_state():
    """Nothing is built here; clearing Keras after each test would take most of the time."""
