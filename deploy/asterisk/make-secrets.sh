#!/bin/sh
# Writes the passwords of ARI's users `voicebot` and `watchdog` into a configuration folder:
#
#   make-secrets.sh /etc/asterisk        ari_users.conf, pjsip_secrets.conf (for Asterisk)
#                                        voicebot.password, watchdog.password (for us)
#
# Files that are there already are kept. To change passwords, remove them and run it again.
set -eu
umask 077
[ $# = 1 ] || { echo "usage: make-secrets.sh FOLDER" >&2; exit 2; }
cd "$1"

password() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

for user in voicebot watchdog; do
  [ -s "$user.password" ] || { password && echo; } >"$user.password"
done
for user in voicebot watchdog; do
  printf '[%s]\ntype = user\nread_only = no\npassword = %s\n\n' "$user" "$(cat "$user.password")"
done >ari_users.conf
[ -e pjsip_secrets.conf ] ||
  echo "; type=auth sections of trunks that demand a password (docs/asterisk.md)" >pjsip_secrets.conf
