#!/bin/sh
# Runs the vendor's Python SDK, unchanged, against `vod-relay emulate`.
#
# Its variables are those of tests/python.sh. Exits 0 only if every check passed.
set -eu

check=$(cd "$(dirname "$0")" && pwd)
. "$check/../python.sh"

exec "$python" "$check/sdk_test.py" "$binary"
