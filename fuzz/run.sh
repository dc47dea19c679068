#!/usr/bin/env bash
# Runs every fuzz target for its share of SECONDS, beginning with the committed seeds.
#
#     fuzz/run.sh SECONDS [TARGET...]
#
# Needs g++ for libFuzzer; installs cargo-fuzz if it is absent. Works with a stable toolchain.
# SANITIZER names another sanitizer than none; "address" needs RUSTC_BOOTSTRAP=1 on stable.
# Exits 0 only if nothing was found. A finding stays in fuzz/artifacts; mend it, and keep the input
# under fuzz/regressions/TARGET, where `cargo test` replays it.
set -euo pipefail

cd "$(dirname "$0")/.."

all=(answer config identity json_walk legacy procedure)
seconds=${1:?usage: fuzz/run.sh SECONDS [TARGET...]}
shift
targets=("${@:-${all[@]}}")
each=$((seconds / ${#targets[@]}))
sanitizer=${SANITIZER:-none}
logs=fuzz/target/logs

if ! command -v cargo-fuzz >/dev/null; then
    # Outside of target/, so that it does not wait for the lock of the builds.
    CARGO_TARGET_DIR=$(mktemp -d) cargo install --quiet --locked cargo-fuzz --version ^0.13
fi

# The versions that are fuzzed are those of the program.
if [ ! fuzz/Cargo.lock -nt Cargo.lock ]; then cp Cargo.lock fuzz/Cargo.lock; fi
# Watching every comparison costs more than the program itself; the dictionaries stand in for it.
options=(--sanitizer "$sanitizer" --no-trace-compares)
cargo fuzz build "${options[@]}"

mkdir -p "$logs"
status=0
for target in "${targets[@]}"; do
    found=fuzz/corpus/$target
    mkdir -p "$found" "fuzz/artifacts/$target"
    # The first directory gets what the run finds; the others are only read.
    corpora=("$found" "fuzz/seeds/$target")
    [ ! -d "fuzz/regressions/$target" ] || corpora+=("fuzz/regressions/$target")
    [ "$target" = config ] || corpora+=(tests/data/events)
    limits=(-max_total_time="$each" -max_len=8192 -timeout=10 -print_final_stats=1)
    log=$logs/$target.log
    if cargo fuzz run "${options[@]}" "$target" "${corpora[@]}" -- "${limits[@]}" \
        -dict="fuzz/dictionaries/$target" </dev/null >"$log" 2>&1; then
        verdict=ok
    else
        verdict=FOUND
        status=1
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    printf '%-10s %5s  %10s executions in %ss, %s inputs\n' "$target" "$verdict" "${runs:-?}" \
        "$each" "$(find "$found" -type f | wc -l)"
    if [ "$verdict" = FOUND ]; then
        grep -aE -A 4 'panicked at|ERROR: |fuzz/artifacts/' "$log" | cut -c 1-500
    fi
done
exit "$status"
