"""The state folder is private and one service's; its spool survives neighbours."""

import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from voicebot.records.spool import Spool, read_operations
from voicebot.state_folder import StateFolderError, make_private, only_service

ROOT = Path(__file__).resolve().parents[2]
WRITES = 150


def test_a_second_service_is_refused_and_told_what_to_do(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with (
        only_service(state),
        pytest.raises(StateFolderError, match=r"process \d+.*paths\.state"),
        only_service(state),
    ):
        pass
    with only_service(state):
        assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_a_folder_of_ours_that_was_open_is_closed_and_no_other(tmp_path: Path) -> None:
    for name, expected in (("ours", 0o700), ("other", 0o755)):
        folder = tmp_path / name
        folder.mkdir(mode=0o755)
        if name == "ours":
            (folder / "voicebot.db").touch()
        make_private(folder)
        assert stat.S_IMODE(folder.stat().st_mode) == expected


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateFolderError, match="cannot be used"), only_service(tmp_path / "file"):
        pass


@pytest.mark.parametrize(
    "command",
    [
        ("db", "migrate"),
        ("token", "create", "agent"),
        ("kb", "import", "faq.csv"),
        ("token", "list"),
        ("kb", "show"),
        ("replay", "x"),
        ("config", "show"),
    ],
    ids=" ".join,
)
def test_whatever_command_comes_first_the_records_are_private(
    voicebot: Any, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "faq.csv").write_text(
        "id,category,department,question,answer,valid_from,valid_to,status\n"
        "a-1,社保,省人社厅,社保卡丢了怎么办,先打电话挂失。,2026-01-01,2099-12-31,approved\n",
        "utf-8",
    )
    voicebot(*command)
    state = tmp_path / "state"
    if command[0] == "kb" and command[1] == "import":
        assert (state / "voicebot.db").exists()
    if state.exists():
        assert stat.S_IMODE(state.stat().st_mode) == 0o700
        for file in state.iterdir():
            assert not stat.S_IMODE(file.stat().st_mode) & 0o077, file


def test_a_reader_makes_no_database(voicebot: Any, tmp_path: Path) -> None:
    for command in (("token", "list"), ("kb", "show"), ("replay", "x")):
        result = voicebot(*command)
        assert result.returncode == 1
        assert "Traceback" not in result.stderr
    assert not (tmp_path / "state").exists()


WRITER = f"""
import sys
from pathlib import Path
from voicebot.records.spool import Spool
spool = Spool(Path(sys.argv[1]))
for number in range({WRITES}):
    assert spool.append([{{"op": "x", "args": {{"i": sys.argv[2] + str(number)}}}}])
"""


def test_no_write_is_lost_between_processes(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(folder), name], cwd=ROOT)
        for name in ("a", "b")
    ]
    found: list[str] = []
    going = True
    while going:
        going = any(writer.poll() is None for writer in writers)
        spool = Spool(folder)
        for file in spool.rotate():
            found += [each["args"]["i"] for each in read_operations(file)]
            spool.done(file)
    assert [writer.returncode for writer in writers] == [0, 0]
    assert len(found) == len(set(found)) == 2 * WRITES
