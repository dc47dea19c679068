#!/bin/sh
# Builds what a measurement needs, and measures: run.sh compare|latency|scaling [OPTION]...
#
# VOD_RELAY_BIN names another vod-relay to measure. PYTHON names the interpreter (default: python3).
# PROFILE=dev builds without optimisation, to try the scripts.
set -eu
export PYTHONDONTWRITEBYTECODE=1

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
scratch=$root/target/measure
python=${PYTHON:-python3}
profile=${PROFILE:-release}

fail() {
    echo "benches: $*" >&2
    exit 1
}

# The copy of the requirements is written last: a half-made environment is made again.
install_python_sdk() {
    venv=$scratch/venv
    if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
        rm -rf "$venv"
        "$python" -m venv "$venv" || fail "cannot create $venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check \
            --requirement "$here/requirements.txt" || fail "cannot install the Python SDK"
        cp "$here/requirements.txt" "$venv/requirements.txt"
    fi
}

install_node_sdk() {
    packages=$scratch/node
    command -v npm >/dev/null || fail "there is no npm; install Node.js or give --no-sdks"
    if ! cmp -s "$here/package-lock.json" "$packages/package-lock.json"; then
        rm -rf "$packages"
        mkdir -p "$packages"
        cp "$here/package.json" "$here/package-lock.json" "$packages/"
        if ! (cd "$packages" && npm ci --silent --no-audit --no-fund --ignore-scripts); then
            rm -rf "$packages"
            fail "cannot install the Node.js SDK"
        fi
    fi
}

# Asking for help must not cost a build.
case " $* " in
*" --help "* | *" -h "*) exec "$python" "$here/main.py" "$@" ;;
esac
cd "$root"
cargo build --quiet --profile "$profile" --locked --bin vod-relay --example load
case " $* " in
" compare "*" --no-sdks "*) ;;
" compare "*)
    mkdir -p "$scratch"
    install_python_sdk
    install_node_sdk
    ;;
esac
exec "$python" "$here/main.py" "$@"
