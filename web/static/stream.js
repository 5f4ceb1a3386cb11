// The server's stream: a snapshot, then changes; connects again by itself, and says when it is lost.

const SILENT_MS = 12_000; // the server speaks every 5 s, whatever happens
const AGAIN_MS = [500, 1000, 2000, 4000];
const ASK_MS = 3000; // when every stream is taken: ask instead
const NO_MORE = [401, 410]; // nobody is signed in any more, or the link is over: no connection was lost

export class Stream {
  #tell; #link; #source = null; #timer = 0; #watchdog = 0; #tries = 0;

  // tell(message): a snapshot or a change.
  // link("live" | "asking" | "lost" | "connecting"): whether what is shown is current.
  constructor(tell, link) {
    this.#tell = tell;
    this.#link = link;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#rest() : this.connect()));
    addEventListener("online", () => this.connect());
    addEventListener("offline", () => this.#lost());
    addEventListener("pagehide", () => this.#leave());
    addEventListener("pageshow", (event) => event.persisted && this.connect());
  }

  connect() {
    this.#leave();
    const source = (this.#source = new EventSource("api/v1/events"));
    for (const kind of ["snapshot", "run", "beat"]) {
      source.addEventListener(kind, (event) => {
        if (source === this.#source) this.#heard(kind, JSON.parse(event.data));
      });
    }
    // An answer other than 200 closes the source for good; a broken connection does not. Both are handled here.
    source.onerror = () => source === this.#source && (source.readyState === EventSource.CLOSED ? this.#ask() : this.#lost());
    this.#expect();
  }

  #heard(kind, message) {
    this.#tries = 0;
    this.#expect();
    if (message.page && message.page !== document.body.dataset.digest) return location.reload();
    if (kind !== "beat") this.#tell(message);
    this.#link("live");
  }

  #expect() {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => this.#lost(), SILENT_MS);
  }

  #lost() {
    this.#leave();
    this.#link("lost");
    this.#timer = setTimeout(() => this.connect(), AGAIN_MS[Math.min(this.#tries++, AGAIN_MS.length - 1)]);
  }

  // Every stream is taken (or the server is just going): one question, and another try a little later.
  async #ask() {
    this.#leave();
    try {
      const answer = await fetch("api/v1/state", { cache: "no-store", signal: AbortSignal.timeout(ASK_MS) });
      if (NO_MORE.includes(answer.status)) return location.reload(); // the server says why in a page of its own
      if (!answer.ok) throw new Error(answer.statusText);
      this.#tell(await answer.json());
      this.#link("asking");
      this.#timer = setTimeout(() => this.connect(), ASK_MS);
    } catch {
      this.#lost();
    }
  }

  // Nobody looks: the seat is left to others, and what is shown is old until the stream speaks again.
  #rest() {
    this.#leave();
    this.#link("connecting");
  }

  #leave() {
    clearTimeout(this.#timer);
    clearTimeout(this.#watchdog);
    this.#source?.close();
    this.#source = null;
  }
}
