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

/** Participants made of Python: a script of tests/interop, once with each list of arguments. All stay until each has
 * written its line about what it saw, and as long as others need them; resolves with these lines. */
export async function pythonPeers(script, each, until) {
  const children = each.map((args) => spawn("/usr/bin/python3", [path.join(ROOT, "tests/interop", script), ...args.map(String)]));
  const gone = children.map((child) => new Promise((resolve) => child.once("close", resolve)));
  try {
    const told = await Promise.all(
      children.map((child, i) => {
        let out = "";
        let err = "";
        child.stderr.on("data", (d) => (err += d));
        return new Promise((resolve, reject) => {
          child.stdout.on("data", (d) => {
            out += d;
            if (out.includes("\n")) resolve(JSON.parse(out.slice(0, out.indexOf("\n"))));
          });
          void gone[i].then((code) => reject(new Error(`${script}: exit ${code}: ${err.slice(-2000)}`)));
        });
      }),
    );
    await until;
    return told;
  } finally {
    for (const child of children) child.stdin.end();
    await Promise.all(gone);
  }
}

/** Two or more of them who decode each other, for so many seconds at least. */
export const aiortcPeers = (server, people, call, least) =>
  pythonPeers("aiortc_peer.py", people.map((person) => [server.base, person.token, call.id, least, least + 120]));
