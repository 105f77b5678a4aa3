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

/** One member that goes on telling what it receives when it is asked (tests/interop/member.py). */
export class PythonMember {
  static async join(script, args) {
    const member = new PythonMember();
    member.said = "";
    member.complaints = "";
    member.waiting = [];
    member.child = spawn("setpriv", ["--pdeathsig", "TERM", "/usr/bin/python3", path.join(ROOT, "tests/interop", script), ...args.map(String)]);
    member.child.stdin.on("error", () => {}); // told by the exit
    member.child.stderr.on("data", (d) => (member.complaints += d));
    member.child.stdout.on("data", (d) => member.hear(d));
    member.gone = new Promise((resolve) => member.child.once("close", resolve));
    member.gone.then((code) => {
      for (const { reject } of member.waiting.splice(0)) reject(new Error(`${script}: exit ${code}: ${member.complaints.slice(-2000)}`));
    });
    await member.line();
    return member;
  }

  hear(data) {
    this.said += data;
    for (let end; (end = this.said.indexOf("\n")) >= 0; this.said = this.said.slice(end + 1)) this.waiting.shift()?.resolve(JSON.parse(this.said.slice(0, end)));
  }

  line() {
    if (this.child.exitCode !== null) return Promise.reject(new Error(`it has gone: ${this.complaints.slice(-2000)}`));
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  /** What it has received until now. */
  tell() {
    const line = this.line();
    this.child.stdin.write("\n");
    return line;
  }

  async leave() {
    this.child.stdin.end();
    const code = await this.gone;
    if (code !== 0) throw new Error(`exit ${code}: ${this.complaints.slice(-2000)}`);
  }
}

/** Two or more of them who decode each other, for so many seconds at least. */
export const aiortcPeers = (server, people, call, least) =>
  pythonPeers("aiortc_peer.py", people.map((person) => [server.base, person.token, call.id, least, least + 120]));
