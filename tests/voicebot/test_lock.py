"""requirements.lock: every library in one version, and no other file of it than those we know."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


def locked(name: str = "requirements.lock") -> dict[str, tuple[str, list[str]]]:
    """Version and hashes by package."""
    text = (ROOT / name).read_text("utf-8").replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            pin, *hashes = line.split()
            package, _, version = pin.partition("==")
            found[canonicalize_name(package)] = (version, hashes)
    return found


def test_every_library_has_one_version_and_the_hashes_of_its_files() -> None:
    for name in ("requirements.lock", "requirements-cpu.lock", "requirements-cuda.lock"):
        entries = locked(name)
        assert entries
        for package, (version, hashes) in entries.items():
            assert version, package
            assert hashes, package
            assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", each) for each in hashes)


def test_what_we_ask_for_is_locked_in_a_version_that_will_do() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    asked = [
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["dev"],
        *project["build-system"]["requires"],
    ]
    entries = locked()
    for line in asked:
        requirement = Requirement(line)
        version, _ = entries[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version, prereleases=True), line


def test_a_file_that_was_changed_is_refused(tmp_path: Path) -> None:
    version, hashes = locked()["typer"]
    changed = tmp_path / f"typer-{version}-py3-none-any.whl"
    with zipfile.ZipFile(changed, "w") as wheel:
        wheel.writestr("typer.py", "print('not ours')")
        wheel.writestr(f"typer-{version}.dist-info/METADATA", f"Name: typer\nVersion: {version}\n")
    (tmp_path / "lock").write_text(f"typer=={version} {' '.join(hashes)}\n")
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--no-index"]
    command += ["--ignore-installed", "--find-links", str(tmp_path), "--require-hashes"]
    done = subprocess.run(
        [*command, "-r", str(tmp_path / "lock")], capture_output=True, text=True, timeout=120
    )
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr


def test_the_setup_installs_nothing_without_its_hash() -> None:
    script = (ROOT / "scripts" / "setup.sh").read_text("utf-8").replace("\\\n", " ")
    function, cpu = sorted(re.findall(r"pip install [^|]*", script), key=len)
    assert function.rstrip().endswith('"$@"')
    assert "--require-hashes --no-deps" in cpu
    calls = re.findall(r"pip_install (?!\{)[^;\n]*", script.replace("pip_install()", ""))
    assert len(calls) == 3
    for each in calls:
        assert "--no-deps" in each
        assert "--require-hashes" in each or each.endswith("--no-build-isolation -e .")
