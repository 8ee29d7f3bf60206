"""What the tests of the dialogue begin with."""

from __future__ import annotations

import pytest

from tests.flows.scripted_call import Call


@pytest.fixture
def call() -> Call:
    """A call that was answered."""
    call = Call()
    call.start()
    return call
