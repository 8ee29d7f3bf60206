"""ARI and the media over https, with a certificate that nobody but us knows."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from telephony.asterisk.access import AsteriskAccess
from telephony.asterisk.ari import Ari, AriError
from tests.asterisk.bot import Bot, access_to, wait_until
from tests.asterisk.conftest import need
from tests.asterisk.pbx import Pbx
from tests.asterisk.phones import Phone, answered, loop, tone_wav

HTTPS_PORT = 8089


@pytest.fixture
def access(pbx: Pbx, tmp_path: Path) -> Iterator[AsteriskAccess]:
    need(shutil.which("openssl") is not None, "openssl is not there: apt-get install openssl.")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=asterisk", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    settings = pbx.config / "http.conf"
    before = settings.read_text("utf-8")
    settings.write_text(
        f"{before}\ntlsenable = yes\ntlsbindaddr = 127.0.0.1:{HTTPS_PORT}\n"
        f"tlscertfile = {certificate}\ntlsprivatekey = {key}\n"
    )
    pbx.cli("module reload http")
    url = f"https://127.0.0.1:{HTTPS_PORT}/ari"
    yield dataclasses.replace(access_to(pbx), url=url, tls_ca=str(certificate))
    settings.write_text(before)
    pbx.cli("module reload http")


def test_a_call_over_tls(access: AsteriskAccess, caller: Phone, tmp_path: Path) -> None:
    with Bot(access) as bot:
        caller.call("12345", steps=(answered(), loop(tone_wav(tmp_path / "440.wav", 440))))
        taken = bot.call()
        bot.talk(taken, 700, 5)
        caller.wait_until_tone(700)
        wait_until(lambda: taken.ears.heard().last(0.4).has_tone(440, 0.8))


async def test_a_certificate_that_is_not_ours_is_refused(access: AsteriskAccess) -> None:
    ari = Ari(dataclasses.replace(access, tls_ca=""))
    with pytest.raises(AriError):
        await ari.get("channels")
    with pytest.raises(AriError):
        async with ari.events(access.app):
            pass
    await ari.aclose()
