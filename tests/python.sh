# shellcheck shell=sh disable=SC2034,SC2154
# What the checks in Python have in common. A run.sh sources it with `check` set to its directory; it
# leaves the program in `binary`, and in `python` an interpreter that has the check's requirements.
#
# VOD_RELAY_BIN names the program (default: target/debug/vod-relay, which must have been built).
# PYTHON names the interpreter (default: python3).

root=$(cd "$check/../.." && pwd)
binary=${VOD_RELAY_BIN:-$root/target/debug/vod-relay}
venv=$root/target/$(basename "$check")-venv
python=$venv/bin/python

fail() {
    echo "tests/$(basename "$check")/run.sh: $*" >&2
    exit 1
}

[ -x "$binary" ] || fail "there is no program $binary; build it or set VOD_RELAY_BIN"

# The copy of the requirements is written last: a half-made environment is made again.
if ! cmp -s "$check/requirements.txt" "$venv/requirements.txt"; then
    rm -rf "$venv"
    "${PYTHON:-python3}" -m venv "$venv" || fail "cannot create $venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check \
        --requirement "$check/requirements.txt" || fail "cannot install the packages"
    cp "$check/requirements.txt" "$venv/requirements.txt"
fi
