"""docs/api.md: what it shows is there, and its Python runs against the application."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.voicebot.api_server import Served, on_record, served
from voicebot.client import Client
from voicebot.config import load_settings

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "api.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)


def asked() -> list[tuple[str, str]]:
    """Method and path of each curl."""
    found = []
    for block in blocks("sh"):
        commands = re.split(r"(?<!\\)\n", block)
        for command in commands:
            if command.startswith("curl"):
                (path,) = re.findall(r"\$API(/[^\s\"]*)", command)
                method = re.search(r"-X (\w+)", command)
                found.append((method[1] if method else "GET", urlsplit(path).path))
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("docs")
    file = folder / "voicebot.toml"
    file.write_text(f'[paths]\nstate = "{folder / "state"}"\n[rate_limits]\nenabled = false\n')
    with served(load_settings(file)) as running:
        running.write(on_record)
        yield running


@pytest.fixture(scope="module")
def document(server: Served) -> dict[str, Any]:
    with Client(server.url, token=server.token("admin")) as client:
        found: dict[str, Any] = client._http.get("/v1/openapi.json").json()
    return found


def test_there_are_examples_of_every_group() -> None:
    assert len(asked()) > 25
    assert len(blocks("python")) > 8


@pytest.mark.parametrize(("method", "path"), asked())
def test_what_is_asked_for_is_in_the_openapi_document(
    document: dict[str, Any], method: str, path: str
) -> None:
    if path == "/v1/openapi.json":
        return
    forms = [
        form
        for form, operations in document["paths"].items()
        if method.lower() in operations and re.fullmatch(re.sub(r"{[^}]*}", "[^/]+", form), path)
    ]
    assert forms, f"{method} {path}"


def test_the_python_examples_run(server: Served, capsys: pytest.CaptureFixture[str]) -> None:
    ran = 0
    with Client(server.url, token=server.token("supervisor")) as hotline:
        known: dict[str, Any] = {"hotline": hotline}
        for block in blocks("python"):
            if "hotline.example" in block or "hotline.live" in block:
                continue
            exec(compile(block, str(DOCUMENT), "exec"), known)
            ran += 1
    assert ran > 7
    assert "山体滑坡" in capsys.readouterr().out
