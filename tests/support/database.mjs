// The database of a test server: for looking, and for making many people at once.
import { execFile } from "node:child_process";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import path from "node:path";
import { ROOT } from "./server.mjs";
import { Person } from "./api.mjs";

/** What the statement answers: one JSON document, or null. */
export function query(server, statement) {
  const env = { ...process.env, PARLEY_VAR: path.join(server.dir, "var") };
  const args = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"];
  return new Promise((resolve, reject) => {
    const child = execFile(path.join(ROOT, "scripts/pg"), args, { cwd: ROOT, env, maxBuffer: 1 << 28 }, (error, stdout) => {
      if (error) reject(error);
      else resolve(stdout.trim() ? JSON.parse(stdout) : null);
    });
    child.stdin.end(statement);
  });
}

/** So many people, of whom the first signs up and in; the others get rows like the first's, and the same password:
 * hashing hundreds of passwords would take longer than the test. */
export async function crowd(server, count, name = "Person") {
  const first = await Person.create(server, name);
  const others = Array.from({ length: count - 1 }, (_, i) =>
    Object.assign(new Person(), {
      server,
      base: server.base,
      name: `${name} ${i + 1}`,
      username: `${first.username.slice(0, 24)}.${i + 1}`,
      password: first.password,
      id: randomUUID(),
      sessionId: randomUUID(),
      token: randomBytes(32).toString("base64url"),
    }),
  );
  if (others.length === 0) return [first];
  const rows = others.map((p) => `('${p.id}', '${p.username}', '${p.name}')`);
  const sessions = others.map((p) => `('${p.sessionId}', '${p.id}', '\\x${createHash("sha256").update(p.token).digest("hex")}')`);
  await query(
    server,
    `insert into users (id, username, display_name, password)
      select v.id::uuid, v.username, v.name, u.password
      from (values ${rows}) v (id, username, name), users u where u.id = '${first.id}';
    insert into sessions (id, user_id, token_hash, expires_at)
      select v.id::uuid, v.user_id::uuid, v.hash::bytea, now() + interval '1 day'
      from (values ${sessions}) v (id, user_id, hash);`,
  );
  return [first, ...others];
}

/** What must hold whenever nobody is in a call. Empty when it does; else lines that say what is wrong. */
export async function leftovers(server) {
  return query(
    server,
    `select coalesce(json_agg(w.what), '[]') from (
      select 'call ' || c.id || ' is still ' || c.state as what from calls c where c.state <> 'ended'
      union all
      select 'call ' || c.id || ' has ended with a deadline' from calls c
        where c.state = 'ended' and c.ring_deadline is not null
      union all
      select 'member ' || m.user_id || ' of the ended call ' || m.call_id || ' is ' || m.state
        from call_members m join calls c on c.id = m.call_id
        where c.state = 'ended' and (m.state in ('invited', 'ringing', 'joined', 'reconnecting') or m.paused
          or m.deadline is not null or m.connected)
    ) w`,
  );
}
