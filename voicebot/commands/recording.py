"""`voicebot recording`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Recordings that are encrypted at rest.")


@app.callback()
def group() -> None:
    """Recordings sealed with age: the service can close them, only a key's holder open them."""


@app.command()
def key(
    out: Annotated[Path, typer.Argument(help="New file for the secret key (mode 0600).")],
) -> None:
    """Make a pair of keys: the secret one into a file, the public one on the screen.

    \b
    Examples:
      voicebot recording key /media/safe/recordings.key
    """
    from voicebot.recording_vault import new_key

    secret, public = new_key()
    handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(f"# public key: {public}\n{secret}\n")
    typer.echo(public)
    typer.echo(
        f"The secret key is in {out}; keep it off this machine. Settings: [recordings] "
        f'encrypt_to = ["{public}"]',
        err=True,
    )


@app.command("open")
def open_(
    recording: Annotated[Path, typer.Argument(help="The sealed recording (….wav.age).")],
    key: Annotated[Path, typer.Option(help="File with the secret key.")],
    out: Annotated[Path, typer.Option(help="New WAV file.")],
) -> None:
    """Decrypt a recording.

    \b
    Examples:
      voicebot recording open var/recordings/CA1.wav.age --key recordings.key --out CA1.wav
    """
    from voicebot.recording_vault import open_sealed, read_identities

    open_sealed(recording, out, read_identities(key))
    typer.echo(str(out))
