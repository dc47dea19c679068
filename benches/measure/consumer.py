"""The consumer of the comparison on the vendor's Python SDK: pull, append, sync, confirm, for ever.

Usage: consumer.py HOST:PORT LOOPS FILE
"""

import os
import sys
import threading

from tencentcloud.common import credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.vod.v20180717 import models, vod_client


def consume(address, file):
    # Without keep-alive, which is not its default, the SDK would be slower still.
    http = HttpProfile(protocol="http", endpoint=address, keepAlive=True)
    keys = credential.Credential("AKIDemulator", "emulator-secret")
    sdk = vod_client.VodClient(keys, "", ClientProfile(httpProfile=http))
    while True:
        try:
            events = sdk.PullEvents(models.PullEventsRequest()).EventSet
        except TencentCloudSDKException as error:
            if error.get_code() == "ResourceNotFound":
                continue
            raise
        lines = "".join(event.to_json_string(ensure_ascii=False) + "\n" for event in events)
        os.write(file, lines.encode())
        os.fdatasync(file)
        confirm = models.ConfirmEventsRequest()
        confirm.EventHandles = [event.EventHandle for event in events]
        sdk.ConfirmEvents(confirm)


def main():
    address, loops, path = sys.argv[1:]
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    threads = [threading.Thread(target=consume, args=(address, file)) for _ in range(int(loops))]
    for thread in threads:
        thread.start()


main()
