#!/usr/bin/env bash
# The page in a headless Chromium: tests/server/page/run.sh [--url http://127.0.0.1:8080 [--key KEY]] [TEST]...
# Needs Debian's chromium and chromium-driver; selenium comes from PyPI into build/page-venv.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${TESSERA_PAGE_BUILD:-$here/../../../build}
mkdir -p "$build"
venv=$(cd "$build" && pwd)/page-venv
selenium=selenium==4.51.0
if ! "$venv/bin/python" -m pip show -q "${selenium%%=*}" 2>/dev/null; then
  python3 -m venv "$venv"
  "$venv/bin/python" -m pip install -q --disable-pip-version-check "$selenium"
fi
exec env PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" "$here/run_tests.py" "$@"
