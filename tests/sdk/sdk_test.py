"""The vendor's SDK against the emulator: what works here works at VOD as far as the SDK can tell.

Usage: sdk_test.py VOD_RELAY_BINARY
"""

import contextlib
import functools
import json
import subprocess
import sys
import threading
import unittest
import unittest.mock
import urllib.request

from tencentcloud.common import credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.vod.v20180717 import models, vod_client

APP = 1500000001
OTHER_APP = 1500000002
READY = "listening on http://"
# How long the emulator may take to say that it listens.
START_TIMEOUT = 30


@contextlib.contextmanager
def emulator(*arguments, hold="0s"):
    """A running emulator; gives its address as host:port."""
    command = [BINARY, "emulate", "--listen", "127.0.0.1:0", "--hold", hold, *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, encoding="utf-8")
    watchdog = threading.Timer(START_TIMEOUT, process.kill)
    watchdog.start()
    try:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line.startswith(READY):
                break
        else:
            raise RuntimeError(f"{command} did not start: {''.join(lines)}")
        watchdog.cancel()
        yield line.removeprefix(READY).strip()
    finally:
        watchdog.cancel()
        process.terminate()
        process.wait()
        process.stderr.close()


def client(address, key="emulator-secret", secret_id="AKIDemulator", token=None, **profile):
    http = HttpProfile(protocol="http", endpoint=address, reqTimeout=10, **profile)
    return vod_client.VodClient(
        credential.Credential(secret_id, key, token), "ap-guangzhou", ClientProfile(httpProfile=http)
    )


def push(address, body, app=APP):
    url = f"http://{address}/_emulator/events?sub_app_id={app}"
    with urllib.request.urlopen(url, data=body.encode()) as answer:
        return json.load(answer)


def pull(sdk, app=APP):
    request = models.PullEventsRequest()
    request.SubAppId = app
    return sdk.PullEvents(request).EventSet


def confirm(sdk, events, app=APP):
    request = models.ConfirmEventsRequest()
    request.SubAppId = app
    request.EventHandles = [event.EventHandle for event in events]
    return sdk.ConfirmEvents(request)


class SdkTest(unittest.TestCase):
    def refused(self, code, call, *arguments):
        with self.assertRaises(TencentCloudSDKException) as caught:
            call(*arguments)
        self.assertEqual(caught.exception.get_code(), code)
        self.assertRegex(caught.exception.get_request_id(), "^[0-9a-f-]{36}$")
        return caught.exception

    def test_events_are_pulled_and_confirmed(self):
        with emulator("--events", "48", "--sub-app-id", str(APP)) as address:
            sdk = client(address)
            seen = []
            for _ in range(3):
                events = pull(sdk)
                self.assertEqual(len(events), 16)
                self.assertRegex(confirm(sdk, events).RequestId, "^[0-9a-f-]{36}$")
                seen += events
            self.assertEqual(self.refused("ResourceNotFound", pull, sdk).get_message(), "no event")
            flows = [e for e in seen if e.EventType == "ProcedureStateChanged"]
            names = {event.ProcedureStateChangeEvent.FileName for event in flows}
            self.assertEqual(names, {"动物世界", "동물의 세계", "Animal World"})
            kinds = {event.EventType for event in seen}
            self.assertLessEqual({"NewFileUpload", "FileDeleted", "PullComplete"}, kinds)
            self.assertEqual(len({event.EventHandle for event in seen}), 48)

    def test_applications_are_apart(self):
        with emulator() as address:
            sdk = client(address)
            push(address, '{"EventType":"FileDeleted","FileDeleteEvent":{"FileIdSet":["1"]}}')
            self.refused("ResourceNotFound", pull, sdk, OTHER_APP)
            events = pull(sdk)
            self.assertEqual(events[0].FileDeleteEvent.FileIdSet, ["1"])
            self.refused("InvalidParameterValue", confirm, sdk, events, OTHER_APP)
            confirm(sdk, events)

    def test_a_late_confirm_is_refused(self):
        arguments = ("--visibility", "200ms", "--events", "1")
        with emulator(*arguments, hold="10s") as address:
            sdk = client(address)
            first = pull(sdk)
            second = pull(sdk)  # waits until the lease is over
            self.assertNotEqual(first[0].EventHandle, second[0].EventHandle)
            self.refused("InvalidParameterValue", confirm, sdk, first)

    def test_who_may_not_call_is_refused(self):
        limited = ("--account", f"AKIDlimited:limited-key@{APP}", "--token", "session-token")
        with emulator(*limited) as address:
            wrong = client(address, key="wrong", token="session-token")
            self.refused("AuthFailure.SignatureFailure", pull, wrong)
            nobody = client(address, secret_id="AKIDnobody")
            self.refused("AuthFailure.SecretIdNotFound", pull, nobody)
            self.refused("AuthFailure.TokenFailure", pull, client(address))
            self.refused("ResourceNotFound", pull, client(address, token="session-token"))
            guest = client(address, secret_id="AKIDlimited", key="limited-key")
            self.refused("ResourceNotFound", pull, guest)
            self.refused("UnauthorizedOperation", pull, guest, OTHER_APP)
        with emulator("--clock-skew", "-10m") as address:
            self.refused("AuthFailure.SignatureExpire", pull, client(address))

    def test_temporary_credentials_of_a_machine_and_of_a_container(self):
        arguments = ("--role", "CVMas", "--web-identity-token", "jwt", "--provider-id", "tke")
        with emulator(*arguments) as address:
            machine = credential.CVMRoleCredential()
            machine._role_endpoint = f"http://{address}/latest/meta-data/cam/security-credentials/"
            # The SDK reaches STS by https only; everything else is as it comes.
            plain = functools.partial(HttpProfile, protocol="http")
            with unittest.mock.patch.object(credential, "HttpProfile", plain):
                container = credential.OIDCRoleArnCredential(
                    "ap-guangzhou", "tke", "jwt", "qcs::cam::uin/1:roleName/r", "a-session", 60, address
                )
                container.refresh()
            for keys in (machine, container):
                secret_id, secret_key, token = keys.get_credential_info()
                sdk = client(address, secret_id=secret_id, key=secret_key, token=token)
                self.refused("ResourceNotFound", pull, sdk)
                sdk = client(address, secret_id=secret_id, key=secret_key)
                self.refused("AuthFailure.TokenFailure", pull, sdk)
            end = urllib.request.Request(f"http://{address}/_emulator/credentials", method="DELETE")
            with urllib.request.urlopen(end) as answer:
                self.assertEqual(json.load(answer), {"ended": 2})
            self.refused("AuthFailure.TokenFailure", pull, client(address, secret_key, secret_id, token))

    def test_get_requests_and_unsigned_payloads_work(self):
        with emulator("--events", "2", "--sub-app-id", str(APP)) as address:
            sdk = client(address, reqMethod="GET")
            confirm(sdk, pull(sdk))
            push(address, '{"EventType":"Later"}')
            profile = ClientProfile(httpProfile=HttpProfile("http", address))
            profile.unsignedPayload = True
            key = credential.Credential("AKIDemulator", "emulator-secret")
            sdk = vod_client.VodClient(key, "", profile)
            confirm(sdk, pull(sdk))
            self.refused("ResourceNotFound", pull, sdk)

    def test_settings_and_errors(self):
        with emulator() as address:
            sdk = client(address)
            request = models.ModifyEventConfigRequest()
            request.Mode, request.SubAppId = "PUSH", APP
            sdk.ModifyEventConfig(request)
            request = models.DescribeEventConfigRequest()
            request.SubAppId = APP
            self.assertEqual(sdk.DescribeEventConfig(request).Mode, "PUSH")
            push(address, '{"EventType":"Later"}')
            state = sdk.DescribeEventsState(models.DescribeEventsStateRequest())
            self.assertEqual(state.CountOfEventsToPull, 0)
            self.refused("InvalidAction", sdk.call_json, "DescribeMediaInfos", {})
            too_many = models.ConfirmEventsRequest()
            too_many.EventHandles = [f"handle-{n}" for n in range(17)]
            self.refused("InvalidParameterValue", sdk.ConfirmEvents, too_many)
        for fault, code in (("throttle", "RequestLimitExceeded"), ("internal-error", "InternalError")):
            with emulator("--fault", f"{fault}=1") as address:
                self.refused(code, pull, client(address))


if __name__ == "__main__":
    BINARY = sys.argv.pop(1)
    unittest.main(verbosity=2)
