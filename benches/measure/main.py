"""Measures the relay. The scripts beside this directory build what it needs and run it."""

import argparse
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import compare
import latency
import scaling
from world import ROOT, machine

DOCUMENT = ROOT / "docs" / "performance.md"
CHART = ROOT / "docs" / "performance.svg"


def numbers(text):
    return [int(part) for part in text.split(",")]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    # The same for all, and so behind the command.
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--write", action="store_true", help="put the tables into docs/performance.md")
    common.add_argument("--runs", type=int, default=3, help="how often each party runs; medians count")

    one = commands.add_parser("compare", parents=[common], help="beside the SDKs and clients that do less")
    one.add_argument("--events", type=int, default=60_000, help="the most events of a run")
    one.add_argument("--loops", type=numbers, default=[1, 8], help="pulls at a time, such as 1,8")
    one.add_argument("--latency", type=numbers, default=[0, 1, 20], help="added round trips in ms")
    one.add_argument("--no-sdks", action="store_true", help="without the vendor's SDKs")

    two = commands.add_parser("latency", parents=[common], help="from the emulator to a webhook")
    two.add_argument("--events", type=int, default=32_000, help="events at the highest rate")
    two.add_argument("--idle-events", type=int, default=60, help="events at two a second")

    three = commands.add_parser("scaling", parents=[common], help="over pulls and backlogs; idle")
    three.add_argument("--pulls", type=numbers, default=[1, 2, 4, 8, 16, 32], help="max_pulls")
    three.add_argument("--most", type=int, default=100_000, help="the most events of a run over pulls")
    three.add_argument("--backlogs", type=numbers, default=[10_000, 100_000, 1_000_000])
    three.add_argument("--slow-backlog", type=int, default=100_000, help="the one with latency")
    three.add_argument("--starts", type=int, default=20, help="how many starts are timed")
    three.add_argument("--idle-seconds", type=int, default=60, help="how long idling is watched")
    return parser.parse_args()


def write(name, text):
    """Puts a table between its marks in the document."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    document = DOCUMENT.read_text()
    head, _, rest = document.partition(begin)
    _, found, tail = rest.partition(end)
    if not found:
        raise SystemExit(f"{DOCUMENT} has no {begin} with {end} behind it")
    DOCUMENT.write_text(f"{head}{begin}\n{text}\n{end}{tail}")


def main():
    options = arguments()
    load = os.getloadavg()[0]
    if load > 1:
        print(f"The machine is busy (load {load:.1f}): the figures will be worse than they are.", file=sys.stderr)
    tables = {"machine": f"The machine: {machine()}; it had a load of {load:.1f} when this began."}
    print(tables["machine"] + "\n", flush=True)
    if options.command == "compare":
        tables["compare"] = compare.run(options)
    elif options.command == "latency":
        tables["latency"] = latency.run(options)
    else:
        tables["footprint"] = scaling.footprint(options)
        tables["pulls"], drawing = scaling.pulls(options)
        tables["backlog"] = scaling.backlog(options)
        if options.write:
            CHART.write_text(drawing)
    for name, table in tables.items():
        if name != "machine":
            print(table + "\n")
        if options.write:
            write(name, table)


main()
