#!/usr/bin/env bash
# A copy of the database while the service runs, checked before it counts.
#
#   backup.sh FOLDER [KEEP]      KEEP newest copies stay, 14 unless given
#
# SQLite is copied by its own backup, PostgreSQL by pg_dump; which of them it is the settings say.
# Recordings are files of their own under the state folder, sealed: copy the folder `recordings`
# as it is. Their keys are never copied here.
set -euo pipefail
umask 077

[[ $# -ge 1 && $# -le 2 ]] || { echo "usage: backup.sh FOLDER [KEEP]" >&2; exit 2; }
folder=$1 keep=${2-14}
[[ $keep =~ ^[1-9][0-9]*$ ]] || { echo "backup.sh: KEEP is a number from 1 on" >&2; exit 2; }
here=$(cd "$(dirname "$0")/../.." && pwd)
python=${VOICEBOT_PYTHON:-$here/.venv/bin/python}

mkdir -p "$folder"
name=voicebot-$(date -u +%Y%m%dT%H%M%SZ)
trap 'rm -f "$folder/.$name.part"' EXIT

kind=$("$python" - "$folder/.$name.part" <<'PYTHON'
import os
import sqlite3
import subprocess
import sys

from sqlalchemy import make_url

from voicebot.config import load_settings

target = sys.argv[1]
url = make_url(load_settings().database_url)
if url.get_backend_name() == "sqlite":
    source = sqlite3.connect(f"file:{url.database}?mode=ro", uri=True, timeout=30)
    copy = sqlite3.connect(target)
    source.backup(copy, pages=1000, sleep=0.01)
    (found,) = copy.execute("pragma integrity_check").fetchone()
    copy.close()
    if found != "ok":
        sys.exit(f"backup.sh: the copy is damaged: {found}")
    print("db")
else:
    plain = url.set(drivername="postgresql", password=None).render_as_string()
    known = {**os.environ, **({"PGPASSWORD": str(url.password)} if url.password else {})}
    subprocess.run(
        ["pg_dump", "--format=custom", f"--file={target}", f"--dbname={plain}"],
        env=known,
        check=True,
    )
    subprocess.run(["pg_restore", "--list", target], stdout=subprocess.DEVNULL, check=True)
    print("dump")
PYTHON
)
mv "$folder/.$name.part" "$folder/$name.$kind"
shopt -s nullglob
copies=("$folder"/voicebot-*.db "$folder"/voicebot-*.dump)
printf '%s\n' "${copies[@]}" | sort -r | tail -n +$((keep + 1)) |
  while IFS= read -r old; do rm -f "$old"; done
echo "$folder/$name.$kind"
