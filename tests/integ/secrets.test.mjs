// What must not be written down: passwords, tokens, invitations, the TURN secret. Not in the log, not in the database.
import { test } from "node:test";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { ROOT, Server, eventually } from "../support/server.mjs";
import { Person, befriend, randomUUID, request } from "../support/api.mjs";

const TURN_SECRET = "turn-secret-that-nobody-sees";
const opts = ["log.level=debug", "log.target=journal", "limits.signups=invite", `turn.secret=${TURN_SECRET}`, "turn.urls=turn:turn.example:3478"];

test("after a journey with every kind of secret none of them is in the log, and the audit log names who did what", async () => {
  const server = await Server.start({ workers: 2, mediads: 1, opts });
  const secrets = {};
  try {
    const ctl = (...args) => {
      const run = spawnSync(path.join(ROOT, process.env.BUILD ?? "build", "parleyctl"), ["--config", path.join(server.dir, "var/parley.conf"), ...args], { encoding: "utf8", timeout: 20_000 });
      assert.equal(run.status, 0, run.err);
      return run.stdout;
    };
    const invited = async (name) => {
      const code = /code: (\S+)/.exec(ctl("invites", "create"))[1];
      const person = Object.assign(new Person(), { server, base: server.base, name, username: `${name.toLowerCase()}.secret`, password: `pass phrase of ${name} 0815` });
      await person.must("POST", "/accounts", { username: person.username, display_name: name, password: person.password, invite: code });
      await person.signIn();
      Object.assign(secrets, { [`invitation of ${name}`]: code, [`password of ${name}`]: person.password, [`token of ${name}`]: person.token });
      return person;
    };
    const [ana, bela] = [await invited("Ana"), await invited("Bela")];
    secrets["wrong password"] = "wrong password 4711 guess";
    secrets["new password"] = "brand new password 2026";
    secrets["unknown token"] = "Zz".repeat(21) + "Z";
    secrets["bad invitation"] = "NOPE-NOPE-NOPE-NOPE";
    secrets["what was said"] = "a very private sentence";
    await befriend(ana, bela);
    await Promise.all([ana.connect(), bela.connect()]); // the token as a subprotocol
    const { call } = (await ana.must("POST", "/calls", { invite: [bela.id] })).json;
    await bela.must("POST", `/calls/${call.id}/answer`);
    await ana.must("POST", `/calls/${call.id}/messages`, { id: randomUUID(), text: secrets["what was said"] });
    const { stream } = (await ana.must("POST", `/calls/${call.id}/streams`, { kind: "publish", name: "OBS" })).json;
    secrets["token of a stream"] = stream.token;
    await request(server.base, "POST", `/whip/${stream.id}`, "v=0\r\n", { token: stream.token, type: "application/sdp" });
    await request(server.base, "POST", `/whep/${stream.id}`, "v=0\r\n", { token: stream.token, type: "application/sdp" });
    const ice = (await ana.must("GET", "/ice-servers")).json.items.find((s) => s.credential);
    secrets["TURN credential"] = ice.credential;
    secrets["TURN secret"] = TURN_SECRET;
    await request(server.base, "POST", "/sessions", { username: ana.username, password: secrets["wrong password"] });
    await request(server.base, "POST", "/sessions", { username: "nobody.here", password: secrets["wrong password"] });
    await request(server.base, "GET", "/me", undefined, { token: secrets["unknown token"] });
    await request(server.base, "POST", "/accounts", { username: "carla", display_name: "Carla", password: secrets["wrong password"], invite: secrets["bad invitation"] });
    // Nonsense with a secret in it, which an error could repeat; and where no secret belongs.
    await request(server.base, "POST", "/sessions", `{"username": "x", "password": "${secrets["wrong password"]}"`, {});
    await ana.request("PUT", "/me/password", { current: secrets["wrong password"], new: secrets["new password"] });
    await request(server.base, "GET", `/me?token=${ana.token}`, undefined, { unchecked: true });
    await request(server.base, "GET", `/${ana.token}`, undefined, { raw: true, unchecked: true });
    await request(server.base, "GET", "/me", undefined, { headers: { cookie: `__Host-parley=${ana.token}` }, unchecked: true });
    await request(server.base, "GET", "/me", undefined, { token: ana.token, headers: { cookie: `__Host-parley=${ana.token}` }, unchecked: true });
    await ana.must("PUT", "/me/password", { current: ana.password, new: secrets["new password"] });
    secrets["password that was made"] = /password: (\S+)/.exec(ctl("users", "create", "dora", "Dora"))[1];
    secrets["password that was reset"] = /password: (\S+)/.exec(ctl("users", "reset-password", "dora"))[1];
    ctl("users", "disable", bela.username);
    assert.equal(await bela.closed, 4401);
    await ana.must("DELETE", "/sessions/current");
    // As the audit log has it, in the database and, for the journal, with the priority in front.
    const audit = ctl("audit");
    for (const [actor, action, user] of [
      ["user", "sign-in", ana.username], ["user", "sign-in-failed", ana.username], ["admin", "invite-create", ""],
      ["admin", "user-create", "dora"], ["admin", "user-password", "dora"], ["admin", "user-disable", bela.username],
    ])
      assert.match(audit, new RegExp(`  ${actor} +${action} +${user}`), action);
    for (const line of [
      `sign-in user=${ana.id} address=`, `sign-in-failed user=${ana.id} address=`, "sign-in-failed user=- address=", "admin POST /admin/v1/invites",
      "admin POST /admin/v1/users", "admin PUT /admin/v1/users/dora/password", `admin PATCH /admin/v1/users/${bela.username}`,
    ])
      await eventually(line, () => server.log().split("\n").some((l) => /^<[56]>/.test(l) && l.includes(`audit: ${line}`)));
    // Nor does the database keep what opens something.
    const kept = ["users", "sessions", "invites", "audit", "call_streams"].map((table) => server.sql(`select to_jsonb(t) from ${table} t`)).join("\n");
    const logs = server.log() + readFileSync(path.join(server.dir, "var/pg/server.log"), "utf8");
    for (const [what, secret] of Object.entries(secrets)) {
      const hash = createHash("sha256").update(secret).digest("hex");
      for (const [how, text] of [["plain", secret], ["in hex", Buffer.from(secret).toString("hex")], ["in base64", Buffer.from(secret).toString("base64")]]) {
        assert.ok(!logs.includes(text), `${what} ${how} in the log: ${logs.split("\n").find((l) => l.includes(text))}`);
        assert.ok(!kept.includes(text), `${what} ${how} in the database`);
      }
      assert.ok(!logs.includes(hash), `${what}: its hash in the log`);
    }
  } finally {
    await server.stop();
  }
});
