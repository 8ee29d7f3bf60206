#!/usr/bin/env bash
# Makes a fresh machine ready: Debian packages, .venv, Python packages, models, data.
# Every step is skipped when it was done before; a second run takes about a second.
#
#   scripts/setup.sh [--all]      --all: also the packages and models that only tests need
#
# PYTHON               the interpreter to use (3.11 or 3.12)
# VOICEBOT_TORCH_INDEX an extra package index for torch. Where pip uses pypi.org itself,
#                      https://download.pytorch.org/whl/cpu saves some GB of CUDA libraries.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly VENV=.venv
readonly STAMP=$VENV/.setup-stamp
readonly PACKAGES=(espeak-ng)
# For Asterisk (scripts/asterisk.sh), SIP callers and a network namespace for both, a browser,
# PostgreSQL (tests/voicebot/postgres.py starts its own), a Chinese font for pictures of pages,
# systemd-analyze for the units of deploy/systemd.
readonly TEST_PACKAGES=(debootstrap sip-tester iproute2 chromium postgresql fonts-noto-cjk systemd)

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
fail() { printf '\033[31m%s\033[0m\n' "$*" >&2; exit 1; }

find_python() {
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} python3.11 python3.12 python3; do
    if command -v "$candidate" >/dev/null &&
      "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))'; then
      command -v "$candidate"
      return
    fi
  done
  fail "Python 3.11 or 3.12 is needed and was not found; install it or set PYTHON to its path."
}

missing_packages() {
  local package
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
      echo "$package"
  done
}

# As root, or through sudo; otherwise says what to install and goes on.
install_debian_packages() {
  local missing as_root=()
  if ! command -v dpkg-query >/dev/null; then
    command -v espeak-ng >/dev/null ||
      say "Please install espeak-ng with this system's package manager; it speaks when the main voice cannot."
    return
  fi
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  if ((EUID != 0)); then
    if command -v sudo >/dev/null && { [[ -t 0 ]] || sudo -n true 2>/dev/null; }; then
      as_root=(sudo)
    else
      say "Please install these Debian packages: ${missing[*]}  (apt-get install ${missing[*]})"
      return
    fi
  fi
  say "Debian packages: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  "${as_root[@]}" apt-get update -q &&
    "${as_root[@]}" apt-get install -y -q --no-install-recommends "${missing[@]}" ||
    say "These Debian packages could not be installed: ${missing[*]}. Install them by hand and go on."
}

make_environment() {
  local python
  [[ -x $VENV/bin/python ]] && "$VENV/bin/python" -c 'import pip' 2>/dev/null && return
  python=$(find_python)
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    install_debian_packages "$(basename "$(readlink -f "$python")")-venv"
  say "Python environment in $VENV ($("$python" -V))"
  "$python" -m venv "$VENV" ||
    fail "The environment $VENV cannot be made; install the Debian package python3-venv and retry."
}

pip_install() {
  "$VENV/bin/python" -m pip install --disable-pip-version-check --progress-bar on "$@" ||
    fail "The Python packages could not be installed; see pip's message above."
}

# The torch of PyPI for Linux on x86-64 cannot be imported without its CUDA libraries.
needs_cuda() {
  "$VENV/bin/python" -c 'import platform as p, sys; from importlib.metadata import version
sys.exit((p.system(), p.machine()) != ("Linux", "x86_64") or "+cpu" in version("torch"))'
}

# No file is installed that is not known by its hash: one that was changed is refused.
install_python_packages() {
  local stamp
  stamp=$("$VENV/bin/python" -V; sha256sum pyproject.toml requirements*.lock)
  [[ -f $STAMP && $(<"$STAMP") == "$stamp" && -x $VENV/bin/voicebot ]] && return
  say "Python packages (about 2 GB the first time)"
  "$VENV/bin/python" -m pip install -q --disable-pip-version-check --require-hashes --no-deps \
    ${VOICEBOT_TORCH_INDEX:+--extra-index-url "$VOICEBOT_TORCH_INDEX"} \
    -r requirements-cpu.lock 2>/dev/null || say "The torch of PyPI, with CUDA, is taken."
  pip_install --require-hashes --no-deps -r requirements.lock
  if needs_cuda; then pip_install --require-hashes --no-deps -r requirements-cuda.lock; fi
  pip_install --no-deps --no-build-isolation -e .
  "$VENV/bin/python" -m pip check --disable-pip-version-check ||
    fail "requirements.lock lacks what pip names above; scripts/lock.sh writes it anew."
  printf '%s\n' "$stamp" >"$STAMP"
}

# Asterisk can be fetched by root alone. What they print comes when all are there.
fetch_test_programs() {
  scripts/promtool.sh && scripts/kamailio.sh && scripts/nats.sh &&
    if ((EUID == 0)); then scripts/asterisk.sh; fi
}

main() {
  local models=() packages=("${PACKAGES[@]}") fetching
  case ${1-} in
    "") ;;
    --all) models=(--all) packages+=("${TEST_PACKAGES[@]}") ;;
    *) fail "usage: scripts/setup.sh [--all]" ;;
  esac
  install_debian_packages "${packages[@]}"
  if ((${#models[@]})); then
    programs=$(mktemp)
    trap 'rm -f "$programs"' EXIT
    fetch_test_programs >"$programs" 2>&1 &
    fetching=$!
  fi
  make_environment
  install_python_packages
  "$VENV/bin/voicebot" models fetch "${models[@]}"  # into paths.models
  scripts/data.sh
  if ((${#models[@]})); then
    wait "$fetching" || { cat "$programs" >&2; fail "What tests need could not be fetched."; }
    cat "$programs" >&2
  fi
}

main "$@"
