#!/usr/bin/env bash
# Asks Prometheus' own tool whether what vod-relay tells it, and what contrib/ asks of it, is right:
# the metrics of a relay with work behind it, the alerts with their tests, and every query of the
# dashboard.
#
# VOD_RELAY_BIN names the program (default: target/debug/vod-relay, which must have been built).
# Needs promtool (Debian: prometheus), curl and python3. Exits 0 only if every check passed.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
binary=${VOD_RELAY_BIN:-$root/target/debug/vod-relay}
[[ $binary = /* ]] || binary=$PWD/$binary
work=$(mktemp -d)
pids=()

end() {
    if [ ${#pids[@]} -gt 0 ]; then
        kill "${pids[@]}" 2>/dev/null || true
        wait "${pids[@]}" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap end EXIT

fail() {
    echo "tests/metrics/run.sh: $*" >&2
    tail -n 20 "$work"/*.log >&2 2>/dev/null || true
    exit 1
}

for tool in promtool curl python3; do
    command -v "$tool" >/dev/null || fail "there is no $tool"
done
[ -x "$binary" ] || fail "there is no program $binary; build it or set VOD_RELAY_BIN"

# The first URL in a log, once it is there.
url_in() {
    local url
    for _ in $(seq 300); do
        url=$(grep -o 'listen[a-z]* on http://[0-9.:]*' "$1" | head -n 1 | grep -o 'http:.*') && break
        sleep 0.1
    done
    [ -n "$url" ] || fail "nothing listens"
    echo "$url"
}

"$binary" emulate --listen 127.0.0.1:0 --events 200 2>"$work/emulator.log" &
pids+=($!)
vod=$(url_in "$work/emulator.log")
# With a state directory every metric has a value; a program that refuses everything makes dead
# letters.
cat >"$work/config.toml" <<END
[relay]
state_dir = "$work/state"
[admin]
listen = "127.0.0.1:0"
backlog_interval = "1s"
[sources.main]
endpoint = "$vod"
ack = "spooled"
[sources.main.credentials]
secret_id = "AKIDemulator"
secret_key = "emulator-secret"
[sinks.archive]
type = "file"
path = "$work/events.jsonl"
[sinks.refuser]
type = "command"
command = ["/bin/sh", "-c", "exit 65"]
events = ["FileDeleted"]
END
"$binary" --config "$work/config.toml" 2>"$work/relay.log" &
pids+=($!)
admin=$(url_in "$work/relay.log")

settled() {
    curl -fsS "$admin/metrics" >"$work/metrics" || return 1
    grep -q '^vod_relay_events_confirmed_total{source="main"} 200$' "$work/metrics" &&
        grep -q '^vod_relay_dead_letters_kept{sink="refuser"} [1-9]' "$work/metrics" &&
        grep -q '^vod_relay_backlog_events{' "$work/metrics" &&
        grep -q '^vod_relay_spool_events 0' "$work/metrics"
}
for _ in $(seq 300); do
    if settled; then break; fi
    sleep 0.1
done
settled || fail "the events were not settled"

promtool check metrics <"$work/metrics" || fail "promtool objects to the metrics"
echo "metrics: $(grep -c '^# TYPE' "$work/metrics") kinds, $(grep -vc '^#' "$work/metrics") series"

promtool check rules "$root/contrib/prometheus-rules.yml"
promtool test rules "$root/contrib/prometheus-rules.test.yml"

# The dashboard's queries, each as a rule: then promtool reads them too.
python3 - "$root/contrib/grafana-dashboard.json" >"$work/dashboard.yml" <<'END'
import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    dashboard = json.load(file)
queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
assert len(queries) > 20, queries
print("groups:\n  - name: dashboard\n    rules:")
for number, query in enumerate(queries):
    for variable, value in (("$__rate_interval", "5m"), ("$job", ".*"), ("$instance", ".*")):
        query = query.replace(variable, value)
    print(f"      - {{record: 'query:{number}', expr: {json.dumps(query)}}}")
END
promtool check rules "$work/dashboard.yml"
