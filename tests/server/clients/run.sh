#!/usr/bin/env bash
# Tries a running server with others' clients: the official openai package, and schemathesis over
# /openapi.json. Packages go into a folder beside the builds, once.
#   tests/server/clients/run.sh URL [--fake]   fake: tests/server/fake_server, whose answers are known
#   tests/server/clients/run.sh --start PROGRAM      starts it (it prints its URL), then as with --fake
# OPENAI_API_KEY: the key, where the server asks for one. EXAMPLES: cases of schemathesis for each
# operation (20). Ends within a few minutes, whatever the server does.
set -euo pipefail
cd "$(dirname "$0")/../../.."

venv=build/server-clients
python=$venv/bin/python
if [ ! -f "$venv/ready" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet openai==3.57.0 schemathesis==4.32.5 pytest==9.2.0
  touch "$venv/ready"
fi

if [ "${1:-}" = --start ]; then
  exec {lines}< <(exec "$2" 2>&1)
  server=$!
  trap 'kill "$server" 2>/dev/null || true' EXIT
  read -r -t 20 url <&"$lines"
  fake=--fake
else
  url=${1:?usage: run.sh URL [--fake] | run.sh --start PROGRAM}
  fake=${2:-}
fi
export TESSERA_URL=$url TESSERA_FAKE=$fake OPENAI_API_KEY=${OPENAI_API_KEY:-none}
export PYTHONDONTWRITEBYTECODE=1

timeout 180 "$python" -m pytest -q -p no:cacheprovider tests/server/clients

# Streams without end are left out. What a schema allows may rightly be refused (too many pictures in all, an unlikely order
# of roles), so that every valid request is accepted is not asked.
checks=not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,negative_data_rejection,unsupported_method
cd "$venv"  # where schemathesis keeps its notes
timeout 300 bin/schemathesis run "$url/openapi.json" \
  --checks "$checks" --exclude-path /v1/events --no-color --max-examples "${EXAMPLES:-20}" --seed 1 \
  --header "Authorization: Bearer $OPENAI_API_KEY" --request-timeout 10 --generation-database none
