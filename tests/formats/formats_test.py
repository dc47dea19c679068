"""Real deliveries, read with the packages of PyPI that receivers use.

The events go from the emulator through the relay to this process. Signatures must verify with
`standardwebhooks`, and CloudEvents of both modes must parse with `cloudevents`.

Usage: formats_test.py VOD_RELAY_BINARY
"""

import contextlib
import datetime
import http.server
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.request

from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from cloudevents.core.formats.json import JSONFormat
from standardwebhooks import Webhook, WebhookVerificationError

FIXTURES = pathlib.Path(__file__).parent.parent / "data" / "events"
APP = 1500000001
READY = "listening on http://"
# How long anything here may take.
PATIENCE = 60
SECRETS = (
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
)
STRANGER = "whsec_HxAREhMUFRYXGBkaGxwdHh8AAQIDBAUGBwgJCgsMDQ4="

# Beside the samples of VOD: attributes that are not ASCII, and events that say next to nothing.
MORE = [
    {"EventType": "动物 世界", "ThingEvent": {"FileId": "名 100% \"x\" 😀", "TaskId": "t"}},
    {"EventType": "TaskOnly", "TaskOnlyEvent": {"TaskId": "任务-1", "FileId": None}},
    {"EventType": "Bare", "BareEvent": {"Price": 1.5}},
    {"BareObjectEvent": {}},
]

CONFIG = """
[log]
level = "warn"

[sources.main]
type = "pull"
endpoint = "{endpoint}"
sub_app_id = {app}
credentials = {{ secret_id = "AKIDemulator", secret_key = "emulator-secret" }}

[sinks.structured]
type = "webhook"
url = "{receiver}/structured"
format = "cloudevents"
signing_secrets = {secrets}

[sinks.binary]
type = "webhook"
url = "{receiver}/binary"
format = "cloudevents-binary"
signing_secrets = {secrets}

[sinks.plain]
type = "webhook"
url = "{receiver}/plain"
signing_secrets = {secrets}

[sinks.archive]
type = "file"
path = "{archive}"
format = "cloudevents"
"""


@contextlib.contextmanager
def emulator():
    """A running emulator; gives its address."""
    command = [BINARY, "emulate", "--listen", "127.0.0.1:0", "--hold", "0s"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, encoding="utf-8")
    watchdog = threading.Timer(PATIENCE, process.kill)
    watchdog.start()
    try:
        for line in process.stderr:
            if line.startswith(READY):
                yield line.removeprefix("listening on ").strip()
                return
        raise RuntimeError(f"{command} did not start")
    finally:
        watchdog.cancel()
        process.terminate()
        process.wait()
        process.stderr.close()


@contextlib.contextmanager
def receiver():
    """A web server that takes everything; gives its address, and what it has got."""
    got = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append((self.path, dict(self.headers.items()), body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", got
    finally:
        server.shutdown()
        server.server_close()


def push(address, text):
    url = f"{address}/_emulator/events?sub_app_id={APP}"
    with urllib.request.urlopen(url, data=text.encode(), timeout=PATIENCE):
        pass


def fixtures():
    """The texts of the samples, and the events in them."""
    for path in sorted(FIXTURES.glob("*.json")):
        text = path.read_text(encoding="utf-8")
        document = json.loads(text)
        events = document.get("Response", {}).get("EventSet", [document])
        for event in events:
            event.pop("EventHandle", None)
        yield text, events


def event_type(event):
    """EventType, or what the name of the object says."""
    name = event.get("EventType")
    names = [key for key, value in event.items() if isinstance(value, dict)]
    if name is None and "eventType" not in event:
        name = names[0].removesuffix("Event")
    return name


def subject(event):
    for value in event.values():
        if isinstance(value, dict):
            return value.get("FileId") or value.get("TaskId")
    return None


class FormatsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.began = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=1)
        texts, events = [], []
        for text, found in fixtures():
            texts.append(text)
            events += found
        assert len(texts) >= 8, "the samples are gone"
        texts += [json.dumps(event, ensure_ascii=False) for event in MORE]
        events += MORE
        with tempfile.TemporaryDirectory() as directory, emulator() as endpoint, receiver() as (url, got):
            for text in texts:
                push(endpoint, text)
            archive = pathlib.Path(directory, "events.jsonl")
            config = pathlib.Path(directory, "config.toml")
            secrets = json.dumps(SECRETS)
            config.write_text(
                CONFIG.format(
                    endpoint=endpoint, receiver=url, archive=archive, app=APP, secrets=secrets
                )
            )
            config.chmod(0o600)
            command = [BINARY, "--config", str(config), "--once"]
            subprocess.run(command, check=True, timeout=PATIENCE)
            cls.lines = archive.read_text(encoding="utf-8").splitlines()
        cls.events, cls.got = events, got

    def requests(self, path):
        return [(headers, body) for at, headers, body in self.got if at == path]

    def check(self, found):
        """All events are there once, as (webhook-id, CloudEvent)."""
        self.assertEqual(len(found), len({event.get_id() for _, event in found}))
        data = [json.dumps(event.get_data(), sort_keys=True) for _, event in found]
        pushed = {json.dumps(event, sort_keys=True) for event in self.events}
        self.assertEqual(set(data), pushed)
        self.assertEqual(len(data), len(pushed))
        now = datetime.datetime.now(datetime.timezone.utc)
        for webhook_id, event in found:
            self.assertRegex(event.get_id(), "^vod_[0-9a-f]{32}$")
            self.assertEqual(event.get_id(), webhook_id or event.get_id())
            self.assertEqual(event.get_specversion(), "1.0")
            self.assertEqual(event.get_source(), f"//vod.tencentcloudapi.com/{APP}")
            self.assertEqual(event.get_datacontenttype(), "application/json")
            self.assertEqual(event.get_time().utcoffset(), datetime.timedelta(0))
            self.assertTrue(self.began <= event.get_time() <= now, event.get_time())
            data = event.get_data()
            # How an event of the old format is named is not the matter here.
            if "eventType" not in data:
                self.assertEqual(event.get_type(), f"com.tencentcloud.vod.{event_type(data)}")
                self.assertEqual(event.get_subject(), subject(data))

    def test_both_modes_parse_and_say_the_same(self):
        attributes = {}
        for path in ("/structured", "/binary"):
            found = []
            for headers, body in self.requests(path):
                lower = {name.lower(): value for name, value in headers.items()}
                event = from_http_event(HTTPMessage(headers, body))
                found.append((lower["webhook-id"], event))
                is_binary = "ce-id" in lower
                self.assertEqual(is_binary, path == "/binary")
            self.check(found)
            attributes[path] = {event.get_id(): event.get_attributes() for _, event in found}
        self.assertEqual(attributes["/structured"], attributes["/binary"])
        types = {each["type"] for each in attributes["/binary"].values()}
        self.assertIn("com.tencentcloud.vod.动物 世界", types)
        subjects = {each.get("subject") for each in attributes["/binary"].values()}
        self.assertLessEqual({"名 100% \"x\" 😀", "任务-1", None}, subjects)

    def test_each_line_of_a_file_parses(self):
        self.check([(None, JSONFormat().read(None, line)) for line in self.lines])

    def test_signatures_verify(self):
        for path in ("/structured", "/binary", "/plain"):
            requests = self.requests(path)
            self.assertEqual(len(requests), len(self.lines))
            for headers, body in requests:
                for secret in SECRETS:
                    Webhook(secret).verify(body, headers)
                with self.assertRaises(WebhookVerificationError):
                    Webhook(STRANGER).verify(body, headers)
                with self.assertRaises(WebhookVerificationError):
                    Webhook(SECRETS[0]).verify(body + b" ", headers)


if __name__ == "__main__":
    BINARY = sys.argv.pop(1)
    unittest.main(verbosity=2)
