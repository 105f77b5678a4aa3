// A page as the API wants it to be: it takes hello as the beginning, changes what it knows with every event, and never
// asks again. Whatever arrives out of order or leaves a gap is written down.
import WebSocket from "ws";
import { checkEvent } from "./api.mjs";

const HERE = new Set(["joined", "paused", "reconnecting"]);

export class Page {
  /** Of this person and sign-in; resolves after hello. */
  static async open(person) {
    const page = new Page();
    page.person = person;
    page.faults = [];
    page.contacts = new Map();
    page.calls = new Map();
    page.messages = new Map();
    /** call id → what ended the ringing; "rings" while it does. */
    page.rings = new Map();
    page.seen = 0;
    page.ws = new WebSocket(person.base.replace("https:", "wss:") + "/api/v1/events", ["parley.v1", `bearer.${person.token}`], {
      rejectUnauthorized: false,
    });
    page.open = true;
    page.closed = new Promise((resolve) =>
      page.ws.once("close", (code) => {
        page.open = false;
        resolve(code);
      }),
    );
    await new Promise((resolve, reject) => {
      page.ready = resolve;
      page.ws.on("message", (data) => page.take(data));
      page.ws.on("error", reject);
      page.ws.once("close", (code) => reject(new Error(`the WebSocket closed with ${code} before hello`)));
    });
    return page;
  }

  take(data) {
    const event = JSON.parse(data.toString());
    const wrong = checkEvent(event);
    if (wrong) this.faults.push(`an event that openapi.yaml does not describe: ${wrong}: ${data}`);
    this.seen++;
    if (event.type === "hello") this.begin(event);
    else if (event.type === "presence") this.onPresence(event);
    else if (event.type === "contact") this.onContact(event);
    else if (event.type === "message") this.onMessage(event);
    else if (event.type.startsWith("call.")) this.onCall(event);
    else if (event.type.startsWith("member.")) this.onMember(event);
    else if (event.type === "me") this.me = event.me;
  }

  begin(event) {
    this.me = event.me;
    this.contacts = new Map(event.contacts.map((c) => [c.user.id, c]));
    // An order of versions begins anew only with a new WebSocket.
    for (const call of event.calls) if (this.calls.get(call.id)?.version > call.version) this.faults.push(`hello goes back in ${call.id}`);
    this.calls = new Map(event.calls.map((c) => [c.id, c]));
    this.rings.clear();
    for (const call of event.calls) this.ring(call, "hello");
    this.ready();
  }

  onPresence(event) {
    const contact = this.contacts.get(event.user_id);
    if (contact) this.contacts.set(event.user_id, { ...contact, presence: event.presence });
  }

  onContact(event) {
    if (event.contact) this.contacts.set(event.contact.user.id, event.contact);
    else this.contacts.delete(event.user_id);
  }

  onMessage({ message }) {
    const list = this.messages.get(message.call_id) ?? [];
    if (list.some((m) => m.id === message.id)) this.faults.push(`message ${message.id} came twice`);
    this.messages.set(message.call_id, [...list, message]);
  }

  ring(call, type) {
    const mine = call.members.find((m) => m.user.id === this.me.id);
    const rings = call.state !== "ended" && mine?.state === "ringing";
    if (rings) this.rings.set(call.id, "rings");
    else if (this.rings.get(call.id) === "rings") {
      const short = { "call.answered_elsewhere": "answered_elsewhere", "call.cancelled": "cancelled", "call.ended": call.end_reason };
      this.rings.set(call.id, short[type] ?? "here");
    }
  }

  onCall({ type, version, call }) {
    const known = this.calls.get(call.id);
    if (version !== call.version) this.faults.push(`${type} of ${call.id} says version ${version}, its call ${call.version}`);
    if (known && version < known.version) this.faults.push(`${type} of ${call.id}: version ${version} after ${known.version}`);
    else this.calls.set(call.id, call);
    this.ring(this.calls.get(call.id), type);
  }

  onMember({ type, version, call_id, member }) {
    const known = this.calls.get(call_id);
    if (!known) {
      this.faults.push(`${type} of ${call_id}, of which nothing was heard before`);
      return;
    }
    if (version < known.version) this.faults.push(`${type} of ${call_id}: version ${version} after ${known.version}`);
    if (version > known.version + 1) this.faults.push(`${type} of ${call_id}: a gap from ${known.version} to ${version}`);
    if (version < known.version) return;
    const others = known.members.filter((m) => m.user.id !== member.user.id);
    const members = known.members.map((m) => (m.user.id === member.user.id ? member : m));
    const call = { ...known, version, members: others.length === known.members.length ? [...others, member] : members };
    this.calls.set(call_id, call);
    this.ring(call, type);
  }

  /** The calls that hello would show. */
  live() {
    return [...this.calls.values()].filter((c) => {
      const mine = c.members.find((m) => m.user.id === this.me.id);
      return c.state !== "ended" && mine && (HERE.has(mine.state) || mine.state === "ringing");
    });
  }

  close() {
    this.ws.close();
    return this.closed;
  }
}
