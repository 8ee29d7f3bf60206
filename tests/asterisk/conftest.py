"""A running Asterisk, and the telephones around it.

`make unit` runs this folder in a network namespace of its own (scripts/isolated.sh).
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.asterisk import phones
from tests.asterisk.pbx import CARRIER_PORTS, POLICE_PORT, SEATS_PORT, Pbx, installed
from tests.asterisk.phones import Phone


def need(there: bool, what: str) -> None:
    """Under CI a missing tool is a failure, elsewhere the test is skipped."""
    if there:
        return
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(autouse=True)
def _shared_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits are as long as on a machine with nothing else to do, and three times that here."""
    monkeypatch.setattr(phones, "PATIENCE", 3.0)


def hang_up_everything(pbx: Pbx, timeout_s: float = 10.0) -> None:
    """No call of one test is left to the next."""
    deadline = time.monotonic() + timeout_s
    while pbx.channels():
        pbx.cli("channel request hangup all")
        if time.monotonic() > deadline:
            raise AssertionError(f"channels that do not end: {pbx.channels()}")
        time.sleep(0.05)


@pytest.fixture(scope="session")
def _asterisk() -> Iterator[Pbx]:
    need(installed(), "Asterisk is not there: run make asterisk.")
    with Pbx() as pbx:
        yield pbx


@pytest.fixture
def pbx(_asterisk: Pbx, request: pytest.FixtureRequest) -> Iterator[Pbx]:
    """One Asterisk for all tests, without any call at the start; its log on failure."""
    if not _asterisk.alive():
        _asterisk.start()
    hang_up_everything(_asterisk)
    failed = request.session.testsfailed
    yield _asterisk
    if request.session.testsfailed > failed:
        print(_asterisk.log_tail())
    assert _asterisk.alive(), f"Asterisk died.\n{_asterisk.log_tail()}"


@pytest.fixture
def new_phone(tmp_path: Path) -> Iterator[Callable[[int], Phone]]:
    """Makes telephones by port; they are closed after the test."""
    need(
        importlib.util.find_spec("pjsua2") is not None,
        "pjsua2-python is not there: run make setup.",
    )
    made: list[Phone] = []

    def make(port: int) -> Phone:
        made.append(Phone(port, tmp_path / f"phone-{port}"))
        return made[-1]

    yield make
    for phone in made:
        phone.close()


@pytest.fixture
def caller(pbx: Pbx, new_phone: Callable[[int], Phone]) -> Phone:
    """A caller's telephone on the carrier's trunk."""
    return new_phone(CARRIER_PORTS[0])


@pytest.fixture
def police(pbx: Pbx, new_phone: Callable[[int], Phone]) -> Phone:
    """110's desk (接警台)."""
    return new_phone(POLICE_PORT)


@pytest.fixture
def seats(pbx: Pbx, new_phone: Callable[[int], Phone]) -> Phone:
    """The human seats (人工坐席)."""
    return new_phone(SEATS_PORT)


@pytest.fixture
def sipp() -> str:
    """Path of sipp."""
    path = shutil.which("sipp")
    need(path is not None, "sipp is not there: run make setup, or apt-get install sip-tester.")
    return str(path)
