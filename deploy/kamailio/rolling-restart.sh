#!/usr/bin/env bash
# Restarts the voice bot of one media node after the other, without losing a call. Run where
# Kamailio runs; `kamcmd` must reach it (module ctl) and `ssh NODE` the nodes.
#
# For each node: (1) every other node is ready, else nothing is done; (2) the dispatcher gives it
# no new call; (3) its calls finish, or --wait seconds pass; (4) restart: what still runs finishes
# within admission.drain_s or is kept by the node's Asterisk, with 110 or a human; (5) GET /ready
# says 200; (6) the dispatcher uses it again. A node that does not come back stays out, and no
# further node is touched.
set -euo pipefail

usage() {
  cat <<'HELP'
usage: rolling-restart.sh [OPTION…] HOST=SIP-ADDRESS HOST=SIP-ADDRESS [HOST=SIP-ADDRESS…]

  HOST            where the node's voice bot runs, as ssh knows it
  SIP-ADDRESS     the node in dispatcher.list, without its parameters' order changed

  --dry-run       say what would be done, ask and change nothing
  --set N         the dispatcher's set of media nodes (1)
  --wait S        how long calls may take to finish before the restart (600)
  --back S        how long a node may take until it is ready again (300)
  --url URL       of the voice bot, as its own machine sees it (http://127.0.0.1:8445)
  --token FILE    on the nodes: a token for /ready and /health (/etc/voicebot/dispatcher.token;
                  made by `voicebot token create metrics --name dispatcher`)
  --restart CMD   on the nodes (systemctl restart voicebot)
  --ssh CMD       how a command is run on a node: CMD HOST COMMAND (ssh)
  --kamcmd CMD    (kamcmd)
  -h, --help

  rolling-restart.sh --dry-run node1='sip:10.0.0.11:5061;transport=tls' \
                               node2='sip:10.0.0.12:5061;transport=tls'
HELP
}

say() { printf '%s  %s\n' "$(date +%T)" "$*" >&2; }
fail() { printf 'rolling-restart.sh: %s\n' "$*" >&2; exit 1; }
wrong() { printf 'rolling-restart.sh: %s (--help)\n' "$*" >&2; exit 2; }

dry='' set_=1 wait_=600 back=300 url=http://127.0.0.1:8445
token=/etc/voicebot/dispatcher.token restart='systemctl restart voicebot'
ssh=(ssh -o BatchMode=yes) kamcmd=(kamcmd) nodes=()

while (($#)); do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --dry-run) dry=yes ;;
    --set | --wait | --back | --url | --token | --restart | --ssh | --kamcmd)
      (($# > 1)) || wrong "$1 needs a value"
      case $1 in
        --set) set_=$2 ;; --wait) wait_=$2 ;; --back) back=$2 ;; --url) url=${2%/} ;;
        --token) token=$2 ;; --restart) restart=$2 ;;
        --ssh) read -ra ssh <<<"$2" ;; --kamcmd) read -ra kamcmd <<<"$2" ;;
      esac
      shift ;;
    -*) wrong "there is no option $1" ;;
    *=sip:* | *=sips:*) nodes+=("$1") ;;
    *) wrong "$1 is not HOST=SIP-ADDRESS" ;;
  esac
  shift
done
((${#nodes[@]} >= 2)) || wrong "a rolling restart needs two nodes at least"
[[ $set_$wait_$back =~ ^[0-9]+$ ]] || wrong "--set, --wait and --back are whole numbers"

on() { "${ssh[@]}" "$1" "$2"; }

# The answer's body, whatever its status; fails where nobody answers.
asked() {
  on "$1" "curl -sS --max-time 5 -H \"Authorization: Bearer \$(cat '$token')\" '$url$2'"
}

ready() { [[ $(asked "$1" /ready 2>/dev/null) == *'"ready":true'* ]]; }

calls() {
  local body
  body=$(asked "$1" /health) || return
  [[ $body =~ \"calls\":([0-9]+) ]] && echo "${BASH_REMATCH[1]}"
}

dispatcher() {
  say "${kamcmd[*]} dispatcher.set_state $1 $set_ $2"
  [[ $dry ]] || "${kamcmd[@]}" dispatcher.set_state "$1" "$set_" "$2" >&2
}

until_idle() {
  local host=$1 left end=$((SECONDS + wait_))
  while left=$(calls "$host") && ((left > 0)); do
    ((SECONDS < end)) || { say "$host: $left calls still run; the restart hands them over"; return; }
    sleep 1
  done
}

until_ready() {
  local host=$1 end=$((SECONDS + back))
  until ready "$host"; do
    ((SECONDS < end)) || fail "$host is not ready after $back s: it stays out, the others were left alone"
    sleep 1
  done
}

others_ready() {
  local each
  for each in "${nodes[@]}"; do
    [[ $each == "$1" ]] || ready "${each%%=*}" ||
      fail "${each%%=*} is not ready: ${1%%=*} is needed and is not restarted"
  done
}

for node in "${nodes[@]}"; do
  host=${node%%=*} address=${node#*=}
  if [[ $dry ]]; then
    say "$host: only if every other node answers 200 at $url/ready"
    # d: disabled. An inactive node would come back by itself with its next answer to OPTIONS.
    dispatcher d "$address"
    say "$host: wait for its calls, $wait_ s at most; then: $restart"
    say "$host: wait for $url/ready, $back s at most"
    dispatcher ap "$address"
    continue
  fi
  others_ready "$node"
  dispatcher d "$address"
  until_idle "$host"
  say "$host: $restart"
  on "$host" "$restart" || fail "$host could not be restarted; it stays out"
  until_ready "$host"
  dispatcher ap "$address"
  say "$host is back"
done
