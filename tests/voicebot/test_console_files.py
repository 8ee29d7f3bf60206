"""Files of the console: nothing from elsewhere, nothing inline, kept until they change."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from voicebot.web.console.assets import PREFIX, add_assets, read_assets
from voicebot.web.console.icons import icon
from voicebot.web.console.places import parts

VENDORED = {
    "vendor/htmx.min.js": "22283ef68cb7545914f0a88a1bdedc7256a703d1d580c1d255217d0a50d31313",
    "vendor/echarts.common.min.js": (
        "fd958f318b139893918674790290fcd73d19d953b91175d5277250ffaa177d8e"
    ),
}
ASSETS = read_assets()


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = FastAPI()
    add_assets(app, ASSETS)
    with TestClient(app) as client:
        yield client


def sources() -> list[Path]:
    return [
        file
        for kind, suffix in (("templates", ".html"), ("static", ".js"), ("static", ".css"))
        for folder in parts(kind)
        for file in sorted(folder.rglob(f"*{suffix}"))
        if "vendor" not in file.parts
    ]


def test_what_is_vendored_is_what_was_delivered() -> None:
    for name, digest in VENDORED.items():
        assert hashlib.sha256(ASSETS[name].content).hexdigest() == digest, name


@pytest.mark.parametrize("source", sources(), ids=lambda each: each.name)
def test_nothing_is_inline_and_nothing_comes_from_elsewhere(source: Path) -> None:
    text = source.read_text("utf-8")
    if source.suffix == ".html":
        assert not re.search(r"\sstyle=", text)
        assert not re.search(r"\son\w+=", text)
        assert not re.search(r"<style|hx-on|javascript:", text)
        for script in re.findall(r"<script[^>]*>", text):
            assert "src=" in script or 'type="application/json"' in script
    for address in re.findall(r"https?://[^\s\"'`)>]+", text):
        assert address.startswith(("http://www.w3.org/",)), address


def test_a_file_is_kept_until_it_changes(client: TestClient) -> None:
    asset = ASSETS["console.css"]
    kept = client.get(f"{PREFIX}console.css", params={"v": asset.version})
    assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert kept.headers["content-type"] == "text/css; charset=utf-8"
    assert kept.content == asset.content
    older = client.get(f"{PREFIX}console.css", params={"v": "0"})
    assert older.headers["cache-control"] == "no-cache"
    tag = older.headers["etag"]
    assert client.get(f"{PREFIX}console.css", headers={"If-None-Match": tag}).status_code == 304


def test_a_file_comes_compressed_to_who_takes_it(client: TestClient) -> None:
    plain = client.get(f"{PREFIX}console.js", headers={"Accept-Encoding": "identity"})
    packed = client.get(f"{PREFIX}console.js", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content


@pytest.mark.parametrize("name", ["none.js", "../shell.py", "..%2fshell.py", "vendor/", ""])
def test_nothing_else_is_given_out(client: TestClient, name: str) -> None:
    assert client.get(PREFIX + name).status_code == 404


def test_an_icon_is_drawn_for_the_eye_or_has_a_name() -> None:
    assert 'aria-hidden="true"' in icon("phone")
    assert 'role="img" aria-label="电话 &amp; 更多"' in icon("phone", "电话 & 更多")
    with pytest.raises(KeyError):
        icon("no-such-icon")
