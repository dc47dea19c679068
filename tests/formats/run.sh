#!/bin/sh
# Checks what webhooks and files get with the packages that receivers use, `cloudevents` and
# `standardwebhooks`.
#
# Its variables are those of tests/python.sh. Exits 0 only if every check passed.
set -eu

check=$(cd "$(dirname "$0")" && pwd)
. "$check/../python.sh"

exec "$python" "$check/formats_test.py" "$binary"
