"""How the relay grows with its pulls and with the backlog, and what it costs when there is nothing."""

import statistics
import subprocess
import time

import chart
import targets
from compare import events_for
from world import (
    CLOCK_TICK,
    RELAY,
    START_EVENTS,
    Bare,
    Child,
    DefaultRelay,
    Failure,
    Relay,
    consume,
    cpu_seconds,
    emulator,
    file_sink,
    interleaved,
    relay_command,
    scratch,
    without_start,
)

LATENCY_MS = 20
LOOPS = 8


def pulls(options):
    """Events per second over `max_pulls`: the table, and the lines of the chart."""
    lines = [
        "| `max_pulls` | vod-relay, events/s | bare client, events/s | ratio |",
        "|---:|---:|---:|---:|",
    ]
    rates = {Relay.name: [], Bare.name: []}
    for loops in options.pulls:
        events = events_for(options.most, loops, LATENCY_MS)
        figures = interleaved([Relay, Bare], events, loops, LATENCY_MS, options.runs)
        relay, bare = (figures[party].rate for party in (Relay, Bare))
        lines.append(f"| {loops} | {relay:,.0f} | {bare:,.0f} | {relay / bare:.2f} |")
        rates[Relay.name].append((loops, relay))
        rates[Bare.name].append((loops, bare))
    drawing = chart.draw(f"Events per second at {LATENCY_MS} ms of added round trip", "max_pulls", rates)
    return "\n".join(lines), drawing


def backlog(options):
    """Time, processor time and memory over the size of the backlog."""
    lines = [
        "| added round trip | backlog, events | drained in | events/s | CPU µs/event | peak MB |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    start = consume(DefaultRelay, START_EVENTS, LOOPS, 0)
    sizes = [(0, size) for size in options.backlogs] + [(LATENCY_MS, options.slow_backlog)]
    peaks = {}
    for latency_ms, events in sizes:
        it = without_start(consume(DefaultRelay, events, LOOPS, latency_ms), events, start)
        if latency_ms == 0:
            peaks[events] = it.peak_mb
        lines.append(
            f"| {latency_ms} ms | {events:,} | {it.seconds:.1f} s | {it.rate:,.0f} "
            f"| {it.cpu_us:.1f} | {it.peak_mb:.1f} |"
        )
    few, many = (peaks.get(events) for events in (100_000, 1_000_000))
    lines.append(
        targets.lines(
            targets.peak(max(peaks.values())),
            targets.flat(many, few) if few and many else None,
        )
    )
    return "\n".join(lines)


def footprint(options):
    """What it takes to begin and to wait."""
    starts = sorted(start_ms() for _ in range(options.starts))
    memory, spent, share = idle(options.idle_seconds)
    cpu = f"{'' if spent else '< '}{share:.2f} %"
    median, file = statistics.median(starts), RELAY.stat().st_size / 1e6
    return "\n".join(
        [
            "| | |",
            "|---|---:|",
            f"| start to the first event delivered, median of {len(starts)} | {median:.1f} ms |",
            f"| the slowest of them | {starts[-1]:.1f} ms |",
            f"| memory, idle | {memory:.1f} MB |",
            f"| processor, idle for {options.idle_seconds} s | {cpu} |",
            f"| the program's file | {file:.1f} MB |",
            targets.lines(targets.start(median), *targets.idle(memory, share), targets.binary(file)),
        ]
    )


def start_ms():
    """From the start of the process until the line of an event that waits is in the file."""
    with scratch() as directory, emulator("--events", 1) as vod:
        path = directory / "events.jsonl"
        command = relay_command(directory, vod.address, file_sink(path))
        begin = time.perf_counter()
        relay = Child(command, stderr=subprocess.DEVNULL)
        try:
            while not (path.exists() and path.stat().st_size):
                relay.check_alive()
                time.sleep(0.0005)
            return (time.perf_counter() - begin) * 1000
        finally:
            relay.stop()


def idle(seconds):
    """The memory of a relay that waits, in MB, the seconds of processor time that it took, and their
    share in percent."""
    with scratch() as directory, emulator("--events", 1) as vod:
        relay = Child(
            relay_command(directory, vod.address, file_sink(directory / "events.jsonl")),
            stderr=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + 10
            while vod.counts()["confirmed"] < 1:
                if time.monotonic() > deadline:
                    raise Failure("the relay did not confirm its first event")
                time.sleep(0.02)
            begin, before = time.monotonic(), cpu_seconds(relay.process.pid)
            time.sleep(seconds)
            spent = cpu_seconds(relay.process.pid) - before
            # The kernel tells whole ticks, so that nothing means less than one.
            share = 100 * max(spent, CLOCK_TICK) / (time.monotonic() - begin)
            return relay.status("VmRSS"), spent, share
        finally:
            relay.stop()
