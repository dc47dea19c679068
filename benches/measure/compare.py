"""The relay beside the vendor's SDKs, all doing the same work, and beside clients that do less."""

import targets
from world import Bare, Keep, NodeSdk, PythonSdk, Relay, consume, interleaved

# About how many seconds a run with latency takes.
SECONDS = 6
# How many loops it takes to keep the emulator busy.
MANY = 32


def events_for(most, loops, latency_ms):
    """As many events as a loop at a time allows: 16 for each pull and its confirm."""
    if latency_ms == 0:
        return most
    return min(most, int(loops * 16 / (2 * latency_ms / 1000) * SECONDS))


def run(options):
    sdks = [] if options.no_sdks else [PythonSdk, NodeSdk]
    parties = [Relay, *sdks, Keep, Bare]
    scenarios = [
        (latency_ms, loops, events_for(options.events, loops, latency_ms))
        for latency_ms in options.latency
        for loops in options.loops
    ]
    sections = []
    for latency_ms, loops, events in scenarios:
        figures = interleaved(parties, events, loops, latency_ms, options.runs)
        title = f"{latency_ms} ms of added round trip, {loops} at a time, {events:,} events"
        sections += [f"**{title}**", table(figures), held(figures, loops, latency_ms)]
    own = consume(Bare, options.events, MANY, 0)
    sections.append(
        f"The emulator by itself: {own.rate:,.0f} events/s for the bare client with {MANY} loops "
        f"on the same machine, at {own.emulator_us:.1f} µs of its processor time per event."
    )
    sections.append(targets.emulator(own.rate))
    return "\n\n".join(sections)


def held(figures, loops, latency_ms):
    """What the figures say about what the relay is to hold."""
    relay, bare = figures[Relay], figures[Bare]
    sdks = [figures[party].cpu_us for party in (PythonSdk, NodeSdk) if party in figures]
    return targets.lines(
        targets.cpu(relay.cpu_us),
        targets.sdk_cpu(min(sdks) / relay.cpu_us) if sdks else None,
        targets.rate(relay.rate / bare.rate, latency_ms, loops),
        targets.calls(relay.calls),
    ).strip()


def table(figures):
    relay, bare = figures[Relay], figures[Bare]
    lines = [
        "| | events/s | of bare | CPU µs/event | of the relay's | peak MB | calls/event |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for party, it in figures.items():
        lines.append(
            f"| {party.name} | {it.rate:,.0f} | {it.rate / bare.rate:.2f} | {it.cpu_us:.1f} "
            f"| {it.cpu_us / relay.cpu_us:.2f} | {it.peak_mb:.1f} | {it.calls:.4f} |"
        )
    return "\n".join(lines)
