// The consumer of the comparison on the vendor's Node.js SDK: pull, append, sync, confirm, for ever.
//
// Usage: consumer.cjs HOST:PORT LOOPS FILE

"use strict";

const fs = require("node:fs/promises");
const http = require("node:http");
const { createRequire } = require("node:module");

// The packages are not beside this file but where the script has installed them.
const packages = createRequire(`${process.cwd()}/`);
const { vod } = packages("tencentcloud-sdk-nodejs-vod");

async function consume(sdk, file) {
  for (;;) {
    let events;
    try {
      events = (await sdk.PullEvents({})).EventSet;
    } catch (error) {
      if (error.code === "ResourceNotFound") continue;
      throw error;
    }
    await file.appendFile(events.map((event) => JSON.stringify(event) + "\n").join(""));
    await file.datasync();
    await sdk.ConfirmEvents({ EventHandles: events.map((event) => event.EventHandle) });
  }
}

async function main() {
  const [address, loops, path] = process.argv.slice(2);
  const file = await fs.open(path, "a", 0o600);
  // Without an agent that keeps connections, which is not its default, the SDK would be slower still.
  const agent = new http.Agent({ keepAlive: true });
  const sdk = new vod.v20180717.Client({
    credential: { secretId: "AKIDemulator", secretKey: "emulator-secret" },
    region: "",
    profile: { httpProfile: { protocol: "http://", endpoint: address, agent } },
  });
  await Promise.all(Array.from({ length: Number(loops) }, () => consume(sdk, file)));
}

main();
