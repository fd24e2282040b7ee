#!/usr/bin/env bash
# `tessera serve` on the demo model over three devices, judged by others: OpenAI's client and schemathesis,
# mixed traffic for a while (the page has its own tests: a small model answers before a browser sees it move); then SIGTERM must end it with status 0.
#   tests/server/real.sh PROGRAM [SOAK_SECONDS]
set -euo pipefail
cd "$(dirname "$0")/../.."
program=$1
soak_seconds=${2:-60}

log=$(mktemp)
"$program" serve --model-path models/demo --devices 3xcpu@40MiB --sequences 4 --port 0 --quiet --url-file "$log" &
server=$!
trap 'kill "$server" 2>/dev/null || true; rm -f "$log"' EXIT
for _ in $(seq 100); do
  [ -s "$log" ] && break
  sleep 0.1
done
url=$(cat "$log")

EXAMPLES=${EXAMPLES:-5} tests/server/clients/run.sh "$url"
python3 tests/server/soak.py "$url" --pid "$server" --seconds "$soak_seconds"

kill -TERM "$server"
wait "$server"
