// The network goes away and comes back: for one of three people, for longer than the call waits, with a worker's death,
// and before the sign-in. Nothing is closed and nobody is told; that is what makes it a lost network.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, eventually, freePorts, sleep } from "../support/server.mjs";
import { BrowserPerson, launchChromium } from "../support/browser.mjs";
import { becomeContacts } from "../support/person.mjs";
import { TcpProxy } from "../support/tcp-proxy.mjs";
import { UdpProxy } from "../support/udp-proxy.mjs";
import { Impair } from "../net/impair.mjs";

// What a browser prints by itself about requests and sockets that a lost network or a dead worker broke.
const broken = /ERR_|WebSocket/;
const SMALL = { viewport: { width: 960, height: 600 } };

let browser, net, people;
before(async () => {
  // Three people on a machine that may be busy with other things.
  browser = await launchChromium(["--use-fake-device-for-media-stream=fps=5"]);
  net = await startNetwork();
});
after(async () => {
  await browser?.close();
  await net?.stop();
});

/** A server whose media go through a proxy, and a second way to its pages; whoever takes that one can be cut off. */
async function startNetwork() {
  const outside = await freePorts(4);
  const server = await Server.start({
    workers: 2,
    mediads: 2,
    opts: [`media.advertise=127.0.0.1:${outside.media}`, `server.origins=https://localhost:${outside.https}`, "calls.reconnect_grace=3600"],
  });
  const tcp = await TcpProxy.start({ port: outside.https, target: server.ports.https });
  let safe = null;
  const udp = await UdpProxy.start({
    ports: [outside.media + 2, outside.media + 3],
    targets: [server.ports.media, server.ports.media + 1],
    drop: (direction, flow) => safe !== null && !safe.has(flow),
  });
  // On the clients' side, as the server's has to be the proxy that knows them.
  const impair = await Impair.start({ listen: `127.0.0.1:${outside.media}`, server: `127.0.0.1:${outside.media + 2}`, ports: 2 });
  return {
    server,
    far: `https://localhost:${outside.https}`,
    /** A call waits for whoever is away as long as was set when it began. From now on: that long. */
    grace(seconds) {
      server.sql(`update calls set reconnect_grace = make_interval(secs => ${seconds}) where state = 'active'`);
    },
    /** The others' flows stay; all else, also what begins meanwhile, is the one's who is cut off. */
    async cut(...others) {
      safe = new Set(await Promise.all(others.map((other) => udp.flowOf(other))));
      assert.ok(safe.size === others.length && !safe.has(undefined), "the flows of those who stay are known");
      tcp.cut();
    },
    mend() {
      safe = null;
      tcp.mend();
    },
    async stop() {
      tcp.stop();
      udp.stop();
      await server.stop();
      console.log(`# SRTP seen from outside: ${JSON.stringify(await impair.checked())}`);
      await impair.stop();
    },
  };
}

async function threeInCall() {
  const ana = await BrowserPerson.create(browser, net.server.base, "Ana", SMALL);
  const bela = await BrowserPerson.create(browser, net.server.base, "Bela", SMALL);
  const chidi = await BrowserPerson.create(browser, net.far, "Chidi", SMALL);
  for (const person of [ana, bela, chidi]) person.expects(broken);
  await becomeContacts(ana, bela);
  await chidi.signUp();
  await ana.ask(chidi);
  await chidi.accept();
  await ana.hasContact(chidi);
  for (const other of [bela, chidi]) await ana.press("checkbox", `Select ${other.name}`);
  await ana.press("button", "Call selected");
  for (const other of [bela, chidi]) await other.answer();
  await allSeeAll([ana, bela, chidi]);
  return [ana, bela, chidi];
}

async function allSeeAll(people, ms = 120_000) {
  for (const one of people) await Promise.all(people.filter((other) => other !== one).map((other) => one.moves(other.name, ms)));
}

/** All screens show the same messages: these, each once; those of one person in the order of writing. */
async function allHave(people, expected) {
  for (const person of people)
    await eventually(
      `${person.name} has all messages`,
      async () => {
        const texts = await person.chat();
        if (texts.length !== expected.length) throw new Error(JSON.stringify(texts));
        return true;
      },
      120_000,
      200,
    );
  const [first, ...others] = await Promise.all(people.map((person) => person.chat()));
  for (const texts of others) assert.deepEqual(texts, first, "all screens show the same");
  assert.deepEqual([...first].sort(), [...expected].sort(), "each once");
  for (const name of ["Ana", "Bela", "Chidi"]) {
    const of = (texts) => texts.filter((text) => text.startsWith(name));
    assert.deepEqual(of(first), of(expected), `${name}'s in the order of writing`);
  }
}

test("10 s without network: said on both sides, nobody is thrown out, the call and the chat go on by themselves", async () => {
  people = await threeInCall();
  const [ana, bela, chidi] = people;
  for (const person of people) await person.openChat();
  await ana.say("Ana 1");
  await allHave(people, ["Ana 1"]);

  const cut = Date.now();
  await net.cut(ana, bela);
  await chidi.say("Chidi 1");
  await chidi.reads("Sending…", { inside: { role: "list", name: "Messages" } });
  await ana.say("Ana 2");
  await bela.say("Bela 1");
  await chidi.reads("Reconnecting…", { inside: { role: "figure", name: "Ana" } });
  await chidi.say("Chidi 2");
  await chidi.reads("Connection lost. What you write is sent when it is back.");
  assert.deepEqual(await ana.chat(), ["Ana 1", "Ana 2", "Bela 1"], "the others go on writing");
  await Promise.all([ana.moves("Bela"), bela.moves("Ana")]);
  await ana.reads("Reconnecting…", { inside: { role: "figure", name: "Chidi" } });
  await sleep(Math.max(0, cut + 10_000 - Date.now()));
  net.mend();
  const mended = Date.now();
  console.log(`# the network was away for ${mended - cut} ms`);
  await chidi.say("Chidi 3");

  await allHave(people, ["Ana 1", "Ana 2", "Bela 1", "Chidi 1", "Chidi 2", "Chidi 3"]);
  await allSeeAll(people);
  console.log(`# all saw all again within ${Date.now() - mended} ms`);
  for (const [one, other] of [[chidi, ana], [ana, chidi], [bela, chidi]])
    await one.find("figure", other.name).getByText("Reconnecting…").waitFor({ state: "detached" });
  await eventually("Chidi hears somebody", async () => (await chidi.stats()).audio?.energy > 0, 120_000);
  assert.equal(await chidi.page.getByText("The connection was lost").count(), 0, "nobody was thrown out");

  // A worker dies while all of them write, and one reloads in the middle of it.
  const expected = await ana.chat();
  net.server.kill("worker", 0);
  const write = async (person) => {
    for (let n = 5; n < 8; n++) await person.say(`${person.name} ${n}`);
  };
  await Promise.all(people.map(write));
  net.server.kill("worker", 1);
  await bela.say("Bela 8");
  await bela.page.reload();
  await bela.sees("toolbar", "Call controls");
  await bela.openChat();
  await bela.say("Bela 9");
  const written = people.flatMap(({ name }) => [5, 6, 7].map((n) => `${name} ${n}`));
  await allHave(people, [...expected, ...written, "Bela 8", "Bela 9"]);
  await allSeeAll(people);
});

test("longer without network than the call waits: out of it, the page says so and offers the way back", async () => {
  const [ana, bela, chidi] = people;
  chidi.expects(/404|409/); // the old transport is gone, and for a new one the page is not in the call any more
  ana.expects(/404|409/);
  await net.cut(ana, bela);
  net.grace(3);
  await ana.sees("figure", "Chidi", { gone: true, ms: 120_000 });
  net.grace(3600);
  await Promise.all([ana.moves("Bela"), bela.moves("Ana")]);
  net.mend();
  await chidi.page.getByRole("alert").getByText("The connection was lost").waitFor();
  await chidi.isHome();
  await chidi.press("button", "Return to call");
  await allSeeAll(people);

  // Of two, nobody is left to come back to: then the call is over.
  await bela.press("button", "Leave call");
  await bela.isHome();
  await ana.sees("figure", "Bela", { gone: true });
  await net.cut(ana);
  net.grace(3);
  await ana.isHome({ ms: 120_000 });
  await ana.reads("The connection was lost");
  net.mend();
  await chidi.isHome({ ms: 120_000 });
  await chidi.reads("The connection was lost");
  await chidi.sees("button", "Return to call", { gone: true });
  await eventually("no transport is left", async () => (await net.server.metric("parley_mediad_transports")) === 0, 120_000);
  await Promise.all(people.map((person) => person.close()));
});

test("offline before the sign-in and on Home: said in words, and over by itself", async () => {
  const ana = await BrowserPerson.create(browser, net.far, "Ana", SMALL);
  ana.expects(broken);
  ana.expects(/401/); // the wrong password
  const status = (words) => ana.page.getByRole("status").getByText(words);
  await ana.open("/");
  await ana.sees("button", "Sign in");
  await ana.write("textbox", "Username", "somebody");
  await ana.write(null, "Password", "a password of mine");

  await ana.context.setOffline(true);
  await status("You are offline. Connect to a network and try again").waitFor();
  await ana.press("button", "Sign in");
  await ana.page.getByRole("alert").getByText("The server cannot be reached. Check your connection and try again.").waitFor();
  assert.equal(await ana.page.getByLabel("Password", { exact: true }).inputValue(), "a password of mine", "what was typed stays");
  await ana.context.setOffline(false);
  await status("You are offline").waitFor({ state: "detached" });

  // A network that takes everything and gives nothing.
  await net.cut();
  await ana.press("button", "Sign in");
  await status("The connection is slow. Still trying…").waitFor();
  net.mend();
  await ana.page.getByRole("alert").getByText("User name and password do not match.").waitFor();

  await ana.signUp();
  await net.cut();
  await ana.context.setOffline(true);
  await status("You are offline. Parley comes back by itself once there is a network.").waitFor();
  await ana.context.setOffline(false);
  await status("Connection lost, reconnecting…").waitFor();
  net.mend();
  await status("Connection lost").waitFor({ state: "detached" });
  await ana.close();
});
