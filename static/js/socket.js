// One websocket per page. It sends messages, follows runs by sequence number and, when the line breaks, goes on
// from the number it has: no event is lost and none is told twice.

const FIRST_PAUSE = 400; // ms
const LONGEST_PAUSE = 15_000;
const PING_EVERY = 25_000;
const PONG_WITHIN = 10_000;
const REPLAY_KEPT = 55 * 60_000; // events of a finished run replay one by one for an hour at least
const FINAL = new Set(["run.completed", "run.failed", "run.stopped", "run.interrupted"]);

export class PageSocket extends EventTarget {
  constructor(path = "/ws/") {
    super();
    this.url = `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}${path}`;
    this.runs = new Map(); // run → {seq, tell}
    this.sends = new Map(); // key → {frame, resolve, reject}
    this.pause = FIRST_PAUSE;
    this.lostAt = 0;
    this.failures = 0;
    this.ended = false;
    this.connect();
    addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.hurry(); });
  }

  connect() {
    this.timer = 0;
    const link = new WebSocket(this.url);
    this.link = link;
    link.addEventListener("open", () => this.opened());
    link.addEventListener("message", (event) => { if (link === this.link) this.received(JSON.parse(event.data)); });
    link.addEventListener("close", (event) => { if (link === this.link) this.closed(event); });
  }

  get isOpen() {
    return this.link?.readyState === WebSocket.OPEN;
  }

  put(frame) {
    if (this.isOpen) this.link.send(JSON.stringify(frame));
  }

  opened() {
    const away = this.lostAt && Date.now() - this.lostAt;
    if (away > REPLAY_KEPT) {
      location.reload();
      return;
    }
    this.pause = FIRST_PAUSE;
    this.failures = 0;
    clearInterval(this.pinging);
    this.pinging = setInterval(() => this.ping(), PING_EVERY);
    // The same key again: the server answers with the stored turn if the first try had arrived.
    for (const { frame } of this.sends.values()) this.put(frame);
    for (const [run, { seq }] of this.runs) this.put({ type: "run.follow", run, after: seq });
    if (this.lostAt) {
      this.lostAt = 0;
      this.dispatchEvent(new Event("resumed"));
    }
  }

  closed(event) {
    clearInterval(this.pinging);
    clearTimeout(this.ponging);
    if (this.ended) return;
    if (!this.lostAt) {
      this.lostAt = Date.now();
      this.dispatchEvent(new Event("lost"));
    }
    this.failures += 1;
    if (event.code === 4401 || event.code === 4403 || this.failures % 4 === 3) this.askWhoWeAre();
    this.timer = setTimeout(() => this.connect(), this.pause * (0.75 + Math.random() / 2));
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE);
  }

  /** A refused handshake says nothing about its reason: one request tells whether we are still signed in. */
  async askWhoWeAre() {
    try {
      const answer = await fetch("/api/v1/me/", { headers: { Accept: "application/json" } });
      if (answer.status !== 401 && answer.status !== 403) return;
    } catch {
      return; // No network: the next try will tell.
    }
    this.ended = true;
    clearTimeout(this.timer);
    this.dispatchEvent(new Event("signed-out"));
  }

  hurry() {
    if (this.ended) return;
    if (this.timer) {
      clearTimeout(this.timer);
      this.pause = FIRST_PAUSE;
      this.connect();
    } else {
      this.ping();
    }
  }

  ping() {
    if (!this.isOpen || this.ponging) return;
    this.put({ type: "ping" });
    const link = this.link;
    // A line that is dead without having said so.
    this.ponging = setTimeout(() => {
      this.ponging = 0;
      if (link !== this.link) return;
      link.close();
      this.closed({ code: 1006 });
      this.link = null;
    }, PONG_WITHIN);
  }

  received(frame) {
    clearTimeout(this.ponging);
    this.ponging = 0;
    if (frame.type === "message.accepted") {
      const sent = this.sends.get(frame.key);
      this.sends.delete(frame.key);
      sent?.resolve(frame);
    } else if (frame.type === "error") {
      const sent = this.sends.get(frame.key);
      this.sends.delete(frame.key);
      if (sent) sent.reject(frame);
      else this.dispatchEvent(new CustomEvent("refused", { detail: frame }));
    } else if (frame.run && frame.seq) {
      this.tell(frame);
    }
  }

  tell(event) {
    const followed = this.runs.get(event.run);
    if (!followed || event.seq <= followed.seq) return;
    if (event.seq !== followed.seq + 1) {
      // A hole: ask again from what we have.
      this.put({ type: "run.follow", run: event.run, after: followed.seq });
      return;
    }
    followed.seq = event.seq;
    if (FINAL.has(event.type)) this.runs.delete(event.run);
    followed.tell(event);
  }

  /** Hear every event of `run` after number `after`, once and in order. The server follows what it has accepted itself. */
  follow(run, tell, after = 0, ask = true) {
    this.runs.set(run, { seq: after, tell });
    if (ask) this.put({ type: "run.follow", run, after });
  }

  /** Store a message. Resolves with `message.accepted`; rejects with the server's error frame. */
  send(fields) {
    const frame = { type: "message.send", key: crypto.randomUUID?.() ?? randomKey(), ...fields };
    return new Promise((resolve, reject) => {
      this.sends.set(frame.key, { frame, resolve, reject });
      this.put(frame);
    });
  }

  stop(run) {
    this.put({ type: "run.stop", run });
  }
}

/** On plain HTTP (but for localhost) browsers keep randomUUID away. */
function randomKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
