// Two people in an active call, made through the API, for tests whose media comes from elsewhere than a browser.
import { spawn } from "node:child_process";
import path from "node:path";
import { ROOT } from "./server.mjs";
import { Person, befriend } from "./api.mjs";

export async function activeCall(server) {
  const [ana, bela] = [await Person.create(server, "Ana"), await Person.create(server, "Bela")];
  await befriend(ana, bela);
  await Promise.all([ana.connect(), bela.connect()]);
  const call = (await ana.must("POST", "/calls", { invite: [bela.id], video: true })).json.call;
  await bela.must("POST", `/calls/${call.id}/answer`);
  return { ana, bela, call };
}

/** A participant made of python3-aiortc; resolves with what it counted. */
export function aiortcPeer(server, person, call, seconds) {
  return new Promise((resolve, reject) => {
    const child = spawn("/usr/bin/python3", [path.join(ROOT, "tests/interop/aiortc_peer.py"), server.base, person.token, call.id, String(seconds)]);
    let out = "";
    let err = "";
    child.stdout.on("data", (d) => (out += d));
    child.stderr.on("data", (d) => (err += d));
    child.on("exit", (code) => {
      if (code !== 0) return reject(new Error(`aiortc peer: exit ${code}: ${err.slice(-2000)}`));
      resolve(JSON.parse(out.trim().split("\n").at(-1)));
    });
  });
}
