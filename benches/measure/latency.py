"""How long an event is on its way, from the emulator's having it to the webhook's having it."""

import json
import subprocess

import targets
from world import LOAD, Child, emulator, relay_command, scratch, unlimited

LOOPS = 8
# VOD's ceiling: 100 calls a second of 16 events each.
CEILING = 1600


def run(options):
    rates = [(2, options.idle_events), (CEILING, options.events)]
    lines = ["| events/s | events | p50 | p99 | most |", "|---:|---:|---:|---:|---:|"]
    measured = measure(rates)
    for rate, it in zip(rates, measured):
        lines.append(
            f"| {rate[0]:,} | {it['count']:,} | {it['p50_ms']:.1f} ms | {it['p99_ms']:.1f} ms "
            f"| {it['max_ms']:.1f} ms |"
        )
    lines.append(targets.lines(targets.p99(measured[-1]["p99_ms"], CEILING)))
    return "\n".join(lines)


def measure(rates):
    with scratch() as directory, emulator() as vod:
        command = [LOAD, "latency", f"http://{vod.address}"]
        load = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        url = load.stdout.readline().strip()
        sink = ['type = "webhook"', f'url = "{url}"']
        command = relay_command(directory, vod.address, sink, **unlimited(LOOPS))
        relay = Child(command, stderr=subprocess.DEVNULL)
        try:
            # The first events find connections to open and code to load.
            return [ask(load, 100, 200), *(ask(load, rate, count) for rate, count in rates)][1:]
        finally:
            relay.stop()
            load.stdin.close()
            load.stdout.close()
            load.wait()


def ask(load, rate, count):
    load.stdin.write(f"{rate} {count}\n")
    load.stdin.flush()
    return json.loads(load.stdout.readline())
