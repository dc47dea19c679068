#!/bin/sh
# Checks what webhooks and files get with the packages that receivers use, `cloudevents` and
# `standardwebhooks`.
#
# VOD_RELAY_BIN names the program (default: target/debug/vod-relay, which must have been built).
# PYTHON names the interpreter (default: python3). Exits 0 only if every check passed.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
binary=${VOD_RELAY_BIN:-$root/target/debug/vod-relay}
venv=$root/target/formats-venv

fail() {
    echo "tests/formats/run.sh: $*" >&2
    exit 1
}

[ -x "$binary" ] || fail "there is no program $binary; build it or set VOD_RELAY_BIN"

# The copy of the requirements is written last: a half-made environment is made again.
if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
    rm -rf "$venv"
    "${PYTHON:-python3}" -m venv "$venv" || fail "cannot create $venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check \
        --requirement "$here/requirements.txt" || fail "cannot install the packages"
    cp "$here/requirements.txt" "$venv/requirements.txt"
fi

exec "$venv/bin/python" "$here/formats_test.py" "$binary"
