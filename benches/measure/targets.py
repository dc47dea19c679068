"""What the relay is to hold, each with the words that say whether it does."""


def at_most(what, value, bound, unit="", digits=1):
    return told(value <= bound, what, f"{value:,.{digits}f}{unit}", f"at most {bound:g}{unit}")


def at_least(what, value, bound, unit="", digits=2):
    return told(value >= bound, what, f"{value:,.{digits}f}{unit}", f"at least {bound:,g}{unit}")


def within(what, value, other, share):
    """Whether two figures differ by no more than a share of the first."""
    off = value / other - 1 if other else 0.0
    return told(abs(off) <= share, what, f"{100 * off:+.1f} %", f"within {100 * share:g} %")


def told(holds, what, value, wanted):
    return f"- {'held' if holds else '**not held**'}: {what}: {value} ({wanted})"


def cpu(value):
    return at_most("CPU per event", value, 20, " µs")


def sdk_cpu(value):
    return at_least("the best SDK's CPU, in that of the relay", value, 6, digits=1)


def calls(value):
    return at_most("calls per event", value, 2 / 16 * 1.02, digits=4)


def rate(value, latency_ms, loops):
    """The throughput beside the bare client's; asked for with 8 pulls at a time."""
    if loops != 8:
        return None
    return at_least("events/s, in those of the bare client", value, 0.7 if latency_ms == 0 else 0.9)


def emulator(value):
    return at_least("the emulator by itself", value, 60_000, " events/s", digits=0)


def p99(value, rate):
    return at_most(f"p99 at {rate:,} events/s", value, 50, " ms")


def peak(value):
    return at_most("peak memory with the default configuration", value, 20, " MB")


def flat(value, other):
    return within("peak memory, from 100,000 to 1,000,000 events", value, other, 0.05)


def start(value):
    return at_most("start to the first event delivered", value, 50, " ms")


def idle(memory, share):
    return [
        at_most("memory, idle", memory, 12, " MB"),
        at_most("processor, idle", share, 0.1, " %", digits=2),
    ]


def binary(value):
    return at_most("the program's file", value, 12, " MB")


def lines(*told):
    """The lines as a list below a table; what is not asked for is left out."""
    return "\n" + "\n".join(line for line in told if line)
