#!/usr/bin/env bash
# Carries out the Dockerfile without a container engine: every stage in an empty folder of its own, COPY and RUN line
# by line, then the last stage's command as its user, and asks the HEALTHCHECK whether the server is well.
# What it can't show is that the base image has what the lines call; node, npm and install(1) are taken from here.
#
#   conformance/dockerfile.sh
set -euo pipefail

project=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
chmod 755 "$work"
server=''
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT

fail() {
  echo "dockerfile.sh: $*" >&2
  exit 1
}

declare -A settings=()
stage='' workdir='/' user=0
entrypoint='[]' command='[]' healthcheck=''

# A stage's path, inside that stage's folder.
inside() {
  case $2 in
    /*) echo "$work/$1$2" ;;
    *) echo "$work/$1$workdir/$2" ;;
  esac
}

from() {
  stage=${3:-final} workdir=/ user=0
  settings=()
  mkdir -p "$work/$stage"
}

copy() {
  local source=$project from=''
  while [[ $1 == --* ]]; do
    case $1 in
      --from=*) from=${1#--from=} source=$work/$from ;;
      *) fail "COPY $1 is not known here" ;;
    esac
    shift
  done
  local -a words=("$@")
  local target path
  target=$(inside "$stage" "${words[-1]}")
  unset 'words[-1]'
  for path in "${words[@]}"; do
    [ -e "$source/$path" ] || fail "COPY $path: there is no such file in ${from:-the project}"
    [ -n "$from" ] || not_ignored "$path"
    mkdir -p "$target"
    if [ -d "$source/$path" ]; then cp -a "$source/$path/." "$target"; else cp -a "$source/$path" "$target"; fi
  done
}

# What .dockerignore names never reaches the build.
not_ignored() {
  local pattern
  while read -r pattern; do
    # shellcheck disable=SC2053 # patterns are meant as patterns
    if [[ -n $pattern && ($1 == $pattern || $1 == $pattern/*) ]]; then fail "COPY $1: .dockerignore leaves it out"; fi
  done < "$project/.dockerignore"
}

# Absolute paths of the line stand below the stage's folder.
run() {
  local line=${1// \// $work/$stage/}
  (cd "$(inside "$stage" .)" && env "${environment[@]}" sh -ec "$line")
}

with_settings() {
  environment=()
  local name
  for name in "${!settings[@]}"; do environment+=("$name=${settings[$name]}"); done
}

while IFS= read -r line; do
  keyword=${line%% *} rest=${line#* }
  echo "$line"
  # shellcheck disable=SC2086 # the words of a line are words
  case $keyword in
    FROM) from $rest ;;
    WORKDIR) workdir=$rest && mkdir -p "$work/$stage$workdir" ;;
    COPY) copy $rest ;;
    ENV) settings[${rest%%=*}]=${rest#*=} ;;
    RUN) with_settings && run "$rest" ;;
    USER) user=$rest ;;
    ENTRYPOINT) entrypoint=$rest ;;
    CMD) command=$rest ;;
    HEALTHCHECK) healthcheck=${rest#*CMD } ;;
    VOLUME) [ -d "$work/$stage$rest" ] || fail "VOLUME $rest is not there" ;;
    EXPOSE) ;;
    *) fail "$keyword is not known here" ;;
  esac
done < <(sed -e '/^#/d' -e '/^$/d' -e ':join' -e '/\\$/{N;s/\\\n *//;bjoin' -e '}' "$project/Dockerfile")

[ "$user" != 0 ] || fail 'the server would run as root'
[ -n "$healthcheck" ] || fail 'there is no HEALTHCHECK'

words() {
  node -e 'process.stdout.write(JSON.parse(process.argv[1]).join("\0") + "\0")' "$1"
}
mapfile -d '' -t start < <(words "$entrypoint" && words "$command")
mapfile -d '' -t check < <(words "$healthcheck")

port=$(node -e 'const s = require("net").createServer().listen(0, () => { console.log(s.address().port); s.close() })')
settings[MEMFLOW_ADDR]=${settings[MEMFLOW_ADDR]%:*}:$port
settings[MEMFLOW_STORAGE_ROOT]=$work/$stage${settings[MEMFLOW_STORAGE_ROOT]}
with_settings
as_user=()
[ "$(id -u)" != 0 ] || as_user=(setpriv --reuid="$user" --regid="$user" --clear-groups)
cd "$work/$stage$workdir"
env "${environment[@]}" "${as_user[@]}" "${start[@]}" > "$work/server.log" 2>&1 &
server=$!
for _ in $(seq 100); do
  kill -0 "$server" 2>/dev/null || break
  if env "${environment[@]}" "${as_user[@]}" "${check[@]}"; then
    kill "$server"
    wait "$server" || fail "the server did not stop cleanly: $?"
    server=''
    echo 'the image builds, serves as its own user and is healthy'
    exit 0
  fi
  sleep 0.2
done
cat "$work/server.log" >&2
fail 'the server is not healthy'
