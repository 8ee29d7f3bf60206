"""`voicebot recording`."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from voicebot.config import Settings
    from voicebot.recording_keys.provider import KeyService

app = typer.Typer(no_args_is_help=True, help="Recordings that are encrypted at rest.")

KeyFile = Annotated[Path | None, typer.Option("--key", help="File with the secret key.")]
KmsToken = Annotated[
    Path | None,
    typer.Option(help="File with a token of the KMS that may do this; the service's may not."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]


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
    from voicebot.recording_keys.files import new_key

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
    out: Annotated[Path, typer.Option(help="New WAV file.")],
    key: KeyFile = None,
    kms_token: KmsToken = None,
) -> None:
    """Decrypt a recording: with a secret key's file, or by the KMS of the settings.

    By the KMS, the audit says who has opened what.

    \b
    Examples:
      voicebot recording open var/recordings/CA1.wav.age --key recordings.key --out CA1.wav
      voicebot recording open var/recordings/CA1.wav.age --kms-token listener.token --out CA1.wav
    """
    from voicebot.recording_files import open_sealed
    from voicebot.recording_keys.files import read_identities
    from voicebot.recording_rewrap import identities
    from voicebot.security import audit_local

    if key is not None:
        open_sealed(recording, out, read_identities(key))
    else:
        settings = open_settings()
        kms = _kms(settings, kms_token)
        secrets = identities(recording, kms)
        audit_local(settings.database_url, "recording.open", recording.name)
        open_sealed(recording, out, secrets)
    typer.echo(str(out))


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show how this machine's recordings are kept; plain ones wait for a key, or are running.

    \b
    Examples:
      voicebot recording status
      voicebot recording status --json
    """
    from voicebot.recording_files import beside_of
    from voicebot.recording_rewrap import sealed_files

    folder = open_settings().paths.state / "recordings"
    sealed = sealed_files(folder)
    with_kms = sum(bool(beside_of(each)) for each in sealed)
    plain = len(list(folder.glob("*.wav")))
    if as_json:
        print_json({"sealed": len(sealed), "with_kms": with_kms, "plain": plain})
        return
    typer.echo(f"{len(sealed)} sealed, {with_kms} of them with a key of the KMS; {plain} plain.")


@app.command()
def rewrap(
    recordings: Annotated[
        list[Path] | None, typer.Argument(help="Sealed recordings; all of this machine's.")
    ] = None,
    key: KeyFile = None,
    kms_token: KmsToken = None,
    as_json: AsJson = False,
) -> None:
    """Bring sealed recordings under new keys.

    Without --key: the KMS encrypts their data keys with the newest version of its own; recordings
    are not touched, and no key is seen. With --key: what that old key opens is encrypted anew to
    the keys that are in the settings now, those of the KMS as well.

    \b
    Examples:
      vault write -f transit/keys/voicebot-recordings/rotate && voicebot recording rewrap
      voicebot recording rewrap --key old.key
      voicebot recording rewrap --kms-token keeper.token --json
    """
    from voicebot.recording_keys.files import read_identities
    from voicebot.recording_rewrap import reseal_all, sealed_files
    from voicebot.recording_rewrap import rewrap as under_newest
    from voicebot.recording_vault import providers
    from voicebot.security import audit_local

    settings = open_settings()
    files = recordings or sealed_files(settings.paths.state / "recordings")
    counts: Counter[str] = Counter()
    try:
        if key is not None:
            given = providers(settings)
            if not given:
                raise InputError("[recordings] names no key to seal with: encrypt_to, or kms_url.")
            reseal_all(files, given, read_identities(key), counts)
        else:
            under_newest(files, _kms(settings, kms_token), counts)
    finally:
        told = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        if counts:
            audit_local(settings.database_url, "recording.rewrap", told)
    if as_json:
        print_json({"recordings": len(files), **counts})
        return
    typer.echo(told or "There is no sealed recording.")


def _kms(settings: Settings, token: Path | None) -> KeyService:
    from voicebot.recording_keys.transit import TransitKeys, token_of

    recordings = settings.recordings
    if not recordings.kms_url:
        raise InputError("[recordings] has no kms_url; give --key with a file's key.")
    return TransitKeys(recordings, token_of(token or recordings.kms_token_file))
