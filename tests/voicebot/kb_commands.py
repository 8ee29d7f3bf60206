"""`voicebot kb …` in a test's own process and folder, for tests of its commands."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.kb.conftest import LetterEmbedder
from voicebot.commands.knowledge import app

Run = Callable[..., Result]


class CorpusLetters(LetterEmbedder):
    """Embeds what is kept on disk like everything else."""

    def embed_corpus(self, texts: Any, **_: Any) -> Any:
        return self.embed(texts)


def commands(
    folder: Path, monkeypatch: pytest.MonkeyPatch, embedder: type[CorpusLetters] | None = None
) -> Run:
    """Runs a command with `folder` as the working one and asserts its exit code.

    Args:
        embedder: stands in for the sentence encoders; without one the command may open none.
    """
    monkeypatch.chdir(folder)
    monkeypatch.setenv("VOICEBOT_PATHS__STATE", str(folder / "state"))
    if embedder is not None:
        monkeypatch.setattr("voicebot.knowledge.open_embedder", lambda _: embedder())

    def run(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == code, result.output + repr(result.exception)
        return result

    return run
