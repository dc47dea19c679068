"""The processes that are measured, and what the kernel and the emulator say about them."""

import collections
import contextlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
# On the disk of the repository: a temporary directory may be in memory, where a sync costs nothing.
SCRATCH = ROOT / "target" / "measure"
BUILT = ROOT / "target" / ("debug" if os.environ.get("PROFILE") == "dev" else "release")
RELAY = pathlib.Path(os.environ.get("VOD_RELAY_BIN", BUILT / "vod-relay")).resolve()
LOAD = BUILT / "examples" / "load"
PYTHON = SCRATCH / "venv" / "bin" / "python"
NODE_PACKAGES = SCRATCH / "node"

HERE = pathlib.Path(__file__).resolve().parent
READY = "listening on http://"
# What the kernel counts the processor time of a living process in, in seconds.
CLOCK_TICK = 1 / os.sysconf("SC_CLK_TCK")
# How long a process may take to start or to end, and how long an event may take, in seconds.
PATIENCE = 60

Figures = collections.namedtuple("Figures", "rate cpu_us peak_mb calls seconds emulator_us")


class Failure(Exception):
    """A party did not do its work, so that its figures would mean nothing."""


def without_proxy(url):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=PATIENCE) as answer:
        return json.load(answer)


class Emulator:
    """A running emulator."""

    def __init__(self, *arguments):
        command = [RELAY, "emulate", "--listen", "127.0.0.1:0", *map(str, arguments)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        if not line.startswith(READY):
            self.stop()
            raise Failure(f"the emulator did not start: {line}")
        # Whatever it says later must not fill the pipe.
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        self.address = line.removeprefix(READY).strip()
        self.cpu_at_start = cpu_seconds(self.process.pid)

    def counts(self):
        return without_proxy(f"http://{self.address}/_emulator/counts")

    def state(self):
        return without_proxy(f"http://{self.address}/_emulator/state")

    def cpu(self):
        """The seconds of processor time since it was ready."""
        return cpu_seconds(self.process.pid) - self.cpu_at_start

    def stop(self):
        self.process.terminate()
        self.process.wait()


@contextlib.contextmanager
def emulator(*arguments):
    running = Emulator(*arguments)
    try:
        yield running
    finally:
        running.stop()


@contextlib.contextmanager
def scratch():
    """A directory of its own for each run."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    directory = tempfile.mkdtemp(dir=SCRATCH, prefix="run-")
    try:
        yield pathlib.Path(directory)
    finally:
        shutil.rmtree(directory)


class Child:
    """A process whose processor time and memory are taken."""

    def __init__(self, command, **options):
        self.process = subprocess.Popen([str(part) for part in command], **options)

    def check_alive(self):
        if self.process.poll() is not None:
            raise Failure(f"{self.process.args} ended with {self.process.returncode}")

    def status(self, name):
        """A size in /proc/PID/status, in MB."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in text.splitlines() if line.startswith(f"{name}:"))
        return int(line.split()[1]) * 1024 / 1e6

    def stop(self):
        """Ends it: the seconds of processor time, user and system, that it took from its start."""
        if self.process.returncode is not None:
            return 0
        self.process.terminate()
        killer = threading.Timer(PATIENCE, self.process.kill)
        killer.start()
        _, status, usage = os.wait4(self.process.pid, 0)
        killer.cancel()
        self.process.returncode = os.waitstatus_to_exitcode(status)
        return usage.ru_utime + usage.ru_stime


def cpu_seconds(pid):
    """The processor time of a living process so far; exact to one tick of the clock."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * CLOCK_TICK


def relay_command(directory, address, sink, **source):
    """The command that runs a relay: its configuration has what is given, and defaults."""
    lines = ["[sources.main]", f'endpoint = "http://{address}"']
    lines += [f"{key} = {value}" for key, value in source.items()]
    lines += ["[sources.main.credentials]"]
    lines += ['secret_id = "AKIDemulator"', 'secret_key = "emulator-secret"', "[sinks.app]", *sink]
    config = directory / "config.toml"
    config.write_text("\n".join(lines) + "\n")
    return [RELAY, "--config", config]


def file_sink(path):
    return ['type = "file"', f'path = "{path}"']


# How many events a relay without a limit of requests has room for: a disk takes milliseconds for a
# sync, and what comes meanwhile shares the next one.
IN_FLIGHT = 2048


# The default configuration, but without a limit of requests.
def unlimited(loops):
    return {"max_requests_per_second": 100_000, "max_pulls": loops}


class Relay:
    name = "vod-relay"
    # What stands once for each event in the file.
    mark = b"\n"

    @staticmethod
    def start(directory, address, loops, path):
        source = {**unlimited(loops), "max_in_flight": IN_FLIGHT}
        command = relay_command(directory, address, file_sink(path), **source)
        return Child(command, stderr=subprocess.DEVNULL)


class DefaultRelay(Relay):
    @staticmethod
    def start(directory, address, loops, path):
        command = relay_command(directory, address, file_sink(path), **unlimited(loops))
        return Child(command, stderr=subprocess.DEVNULL)


class Bare:
    name = "bare HTTP client"
    mark = None

    @staticmethod
    def start(_directory, address, loops, _path):
        return Child([LOAD, "bare", f"http://{address}", loops])


class Keep:
    name = "HTTP client and file"
    mark = b'"EventHandle":"'

    @staticmethod
    def start(_directory, address, loops, path):
        return Child([LOAD, "keep", f"http://{address}", loops, path])


class PythonSdk:
    name = "Python SDK"
    mark = b"\n"

    @staticmethod
    def start(_directory, address, loops, path):
        return Child([PYTHON, HERE / "consumer.py", address, loops, path])


class NodeSdk:
    name = "Node.js SDK"
    mark = b"\n"

    @staticmethod
    def start(_directory, address, loops, path):
        return Child(["node", HERE / "consumer.cjs", address, loops, path], cwd=NODE_PACKAGES)


def consume(party, events, loops, latency_ms):
    """One run: a party drains a backlog. Its figures, with the cost of its start."""
    backlog = ("--events", events, "--latency", f"{latency_ms}ms")
    with scratch() as directory, emulator(*backlog) as vod:
        path = directory / "events.jsonl"
        child = party.start(directory, vod.address, loops, path)
        try:
            until_confirmed(vod, child, events)
            emulator_cpu = vod.cpu()
            peak = child.status("VmHWM")
        finally:
            cpu = child.stop()
        state = vod.state()
        check(party, state, path, events)
    seconds = state["counts"]["busy_micros"] / 1e6
    calls = (state["calls"]["PullEvents"] + state["calls"]["ConfirmEvents"]) / events
    return Figures(
        rate=events / seconds,
        cpu_us=cpu * 1e6 / events,
        peak_mb=peak,
        calls=calls,
        seconds=seconds,
        emulator_us=emulator_cpu * 1e6 / events,
    )


def until_confirmed(vod, child, events):
    last, progress = 0, time.monotonic()
    while True:
        child.check_alive()
        confirmed = vod.counts()["confirmed"]
        if confirmed >= events:
            return
        if confirmed > last:
            last, progress = confirmed, time.monotonic()
        elif time.monotonic() - progress > PATIENCE:
            raise Failure(f"nothing was confirmed for {PATIENCE} s, {confirmed} of {events} before")
        time.sleep(0.02)


def check(party, state, path, events):
    counts = state["counts"]
    if counts["confirmed"] != events or counts["redelivered"] or state["errors"].keys() - {"ResourceNotFound"}:
        raise Failure(f"{party.name} did not do its work: {counts}, {state['errors']}")
    if party.mark:
        with open(path, "rb") as file:
            written = sum(line.count(party.mark) for line in file)
        if written != events:
            raise Failure(f"{party.name} wrote {written} of {events} events")


# What a party does before the first event, such as loading an interpreter, is not the cost of an event.
START_EVENTS = 16


def without_start(figures, events, start):
    started = start.cpu_us * START_EVENTS
    cpu = max(0.0, (figures.cpu_us * events - started) / max(1, events - START_EVENTS))
    return figures._replace(cpu_us=cpu)


def medians(runs):
    return Figures(*(statistics.median(values) for values in zip(*runs)))


def interleaved(parties, events, loops, latency_ms, runs):
    """The medians of several runs of each party, taken in turn, because machines drift."""
    start = {party: consume(party, START_EVENTS, loops, latency_ms) for party in parties}
    taken = {party: [] for party in parties}
    for _ in range(runs):
        for party in parties:
            figures = consume(party, events, loops, latency_ms)
            taken[party].append(without_start(figures, events, start[party]))
    return {party: medians(figures) for party, figures in taken.items()}


def machine():
    """What the figures were taken on, in words; nothing that names the machine itself."""
    cpu = "an unknown processor"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    kernel = ".".join(os.uname().release.split("-")[0].split(".")[:2])
    return (
        f"{os.cpu_count()} cores ({cpu}), {memory:.0f} GB of memory, Linux {kernel}, "
        f"a disk that syncs 22 kB in {sync_ms():.2f} ms (median)"
    )


def sync_ms():
    """How long the disk takes to sync what one answer brings."""
    with scratch() as directory:
        file = os.open(directory / "sync", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        times = []
        for _ in range(200):
            begin = time.perf_counter()
            os.write(file, b"x" * 22_000)
            os.fdatasync(file)
            times.append(time.perf_counter() - begin)
        os.close(file)
    return statistics.median(times) * 1000
