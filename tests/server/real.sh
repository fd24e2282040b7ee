#!/usr/bin/env bash
# `tessera serve` on the demo model over three devices, judged by others: OpenAI's client and
# schemathesis, mixed traffic for a while, then a browser at its page, on devices so slow that one sees
# them work. SIGTERM must end each server with status 0.
#   tests/server/real.sh PROGRAM [SOAK_SECONDS]
set -euo pipefail
cd "$(dirname "$0")/../.."
program=$1
soak_seconds=${2:-60}

log=$(mktemp)
server=
trap 'kill "$server" 2>/dev/null || true; rm -f "$log"' EXIT

# serve DEVICES: its address is in $url, its process in $server.
serve() {
  : >"$log"
  "$program" serve --model-path models/demo --devices "$1" --sequences 4 --port 0 --quiet --url-file "$log" &
  server=$!
  for _ in $(seq 100); do
    [ -s "$log" ] && break
    sleep 0.1
  done
  url=$(cat "$log")
}
end() {
  kill -TERM "$server"
  wait "$server"
}

serve 3xcpu@40MiB
EXAMPLES=${EXAMPLES:-5} tests/server/clients/run.sh "$url"
python3 tests/server/soak.py "$url" --pid "$server" --seconds "$soak_seconds"
end

serve '3xcpu@40MiB{speed=0.02}'
tests/server/page/run.sh --url "$url"
end
