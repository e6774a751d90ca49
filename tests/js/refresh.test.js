// The refresh script on a page of our own making, whose clocks we turn. Run by tests/test_refresh_script.py.
"use strict";
const assert = require("node:assert");
const { readFileSync } = require("node:fs");
const path = require("node:path");
const { test } = require("node:test");
const vm = require("node:vm");

const SCRIPT = readFileSync(path.join(__dirname, "../../flask_pooled/static/refresh.js"), "utf8");
const GAME = "https://game.example/?token=";

class Page {
  constructor({ ttls = [100], ageAtStart = 0, navigation = "navigate" } = {}) {
    this.navigation = navigation;
    this.wall = 1_000_000_000_000;
    this.steady = ageAtStart;
    this.origin = this.wall - ageAtStart;
    this.hidden = false;
    this.active = null;
    this.requests = [];
    this.answer = async () => ({ status: 200, json: async () => ({ src: GAME + this.requests.length, ttl: ttls[0] }) });
    this.listeners = new Map();
    this.children = [];
    for (const ttl of ttls) this.add(ttl);
    this.load();
  }

  add(ttl) {
    const page = this;
    const frame = {
      dataset: { pooledSession: "/pooled/session", pooledTtl: String(ttl) },
      src: GAME + "first",
      loads: 0,
      get parentNode() { return page; },
      get nextSibling() { return page.children[page.children.indexOf(this) + 1] ?? null; },
      get nextElementSibling() { return this.nextSibling; },
      remove() { page.children.splice(page.children.indexOf(this), 1); },
      replaceWith(other) { page.children[page.children.indexOf(this)] = other; },
    };
    const template = { content: "Log in to play", remove() { page.children.splice(page.children.indexOf(this), 1); } };
    this.children.push(frame, template);
    return frame;
  }

  insertBefore(frame, next) {
    frame.loads += 1;
    this.children.splice(next === null ? this.children.length : this.children.indexOf(next), 0, frame);
  }

  get frames() { return this.children.filter((child) => child.dataset); }

  load() {
    const page = this;
    const window = {
      addEventListener: (type, listener) => page.listeners.set(type, listener),
      setInterval: (tick, pause) => Object.assign(page, { tick, pause }),
      fetch: (url, options) => (page.requests.push({ url, options }), page.answer(options)),
      document: {
        querySelectorAll: () => page.frames,
        get hidden() { return page.hidden; },
        get activeElement() { return page.active; },
      },
      performance: {
        now: () => page.steady,
        timeOrigin: page.origin,
        getEntriesByType: () => [{ type: page.navigation }],
      },
      Date: { now: () => page.wall },
      AbortSignal: { timeout: (milliseconds) => ({ milliseconds }) },
      URL,
    };
    this.context ??= vm.createContext(Object.assign(window, { window }));
    vm.runInContext(SCRIPT, this.context);
  }

  // Let seconds pass: awake, or asleep, when only the wall clock goes on and no timer runs.
  async pass(seconds, { asleep = false } = {}) {
    for (let left = seconds * 1000; left > 0; left -= this.pause) {
      const step = Math.min(left, this.pause);
      this.wall += step;
      if (!asleep) {
        this.steady += step;
        this.tick();
        await this.settle();
      }
    }
  }

  async dispatch(type) {
    this.listeners.get(type)({ type });
    await this.settle();
  }

  async settle() {
    await new Promise(setImmediate);
  }
}

test("asks before the token ends, as nobody else can ask", async () => {
  const page = new Page();
  await page.pass(60);
  assert.equal(page.requests.length, 0);
  await page.pass(20);
  assert.equal(page.requests.length, 1);
  const [{ url, options }] = page.requests;
  assert.equal(url, "/pooled/session");
  assert.equal(options.headers["X-Pooled-Refresh"], "1");
  assert.equal(options.cache, "no-store");
  assert.equal(page.frames[0].src, GAME + "1");
  assert.equal(page.frames[0].loads, 1);
});

test("goes on for ever, once in each lifetime", async () => {
  const page = new Page();
  await page.pass(1000);
  assert.ok(page.requests.length >= 10 && page.requests.length <= 16, String(page.requests.length));
  assert.equal(page.frames[0].src, GAME + page.requests.length);
});

test("takes over the lifetime of the new token", async () => {
  const page = new Page();
  page.answer = async () => ({ status: 200, json: async () => ({ src: GAME + "new", ttl: 10_000 }) });
  await page.pass(1000);
  assert.equal(page.requests.length, 1);
});

test("counts the time before it was loaded", async () => {
  const page = new Page({ ageAtStart: 60_000 });
  await page.pass(10);
  assert.equal(page.requests.length, 1);
});

test("after a sleep it asks at the first look", async () => {
  const page = new Page();
  await page.pass(5000, { asleep: true });
  assert.equal(page.requests.length, 0);
  await page.pass(1);
  assert.equal(page.requests.length, 1);
});

for (const minutes of [-10, 10]) {
  test(`a clock set by ${minutes} minutes costs one request at most`, async () => {
    const page = new Page({ ttls: [3600] });
    await page.pass(60);
    page.wall += minutes * 60_000;
    await page.pass(600);
    assert.ok(page.requests.length <= 1);
    await page.pass(3600);
    assert.ok(page.requests.length >= 1 && page.requests.length <= 2);
  });
}

test("failures are tried again after longer and longer pauses, and the frame stays", async () => {
  const page = new Page();
  page.answer = async () => ({ status: 503, json: async () => ({ error: "There is no token" }) });
  await page.pass(3600);
  assert.ok(page.requests.length > 8 && page.requests.length < 40, String(page.requests.length));
  assert.equal(page.frames[0].src, GAME + "first");
  assert.equal(page.frames[0].loads, 0);
  page.answer = async () => ({ status: 200, json: async () => ({ src: GAME + "new", ttl: 100 }) });
  await page.pass(300);
  assert.equal(page.frames[0].src, GAME + "new");
});

test("a network that comes back is used at once", async () => {
  const page = new Page();
  page.answer = async () => { throw new TypeError("offline"); };
  await page.pass(3600);
  const before = page.requests.length;
  await page.dispatch("online");
  assert.equal(page.requests.length, before + 1);
});

test("to come online is no reason to ask", async () => {
  const page = new Page();
  await page.dispatch("online");
  assert.equal(page.requests.length, 0);
});

test("a fetch that hangs is given up, and blocks no other for ever", async () => {
  const page = new Page();
  page.answer = (options) => new Promise((_, reject) => { page.giveUp = reject; page.limit = options.signal.milliseconds; });
  await page.pass(200);
  assert.equal(page.requests.length, 1);
  assert.equal(page.limit, 10_000);
  page.giveUp(new Error("TimeoutError"));
  await page.pass(10);
  assert.equal(page.requests.length, 2);
});

test("who is logged out sees the template, and nothing is asked again", async () => {
  for (const answer of [{ status: 401 }, { status: 0, type: "opaqueredirect" }]) {
    const page = new Page({ ttls: [100, 100] });
    page.answer = async () => answer;
    await page.pass(1000);
    assert.equal(page.requests.length, 1);
    assert.deepEqual(page.children, ["Log in to play", "Log in to play"]);
    await page.dispatch("pooled:refresh");
    assert.equal(page.requests.length, 1);
  }
});

test("two frames share one request", async () => {
  const page = new Page({ ttls: [100, 100] });
  await page.pass(80);
  assert.equal(page.requests.length, 1);
  assert.deepEqual(page.frames.map((frame) => frame.src), [GAME + "1", GAME + "1"]);
  assert.equal(page.children.indexOf(page.frames[1]), 2, "each in its place");
});

test("the script included twice works once", async () => {
  const page = new Page();
  page.load();
  await page.pass(80);
  assert.equal(page.requests.length, 1);
});

test("a frame that comes later has its own time", async () => {
  const page = new Page({ ttls: [] });
  await page.pass(500);
  const frame = page.add(100);
  await page.pass(50);
  assert.equal(page.requests.length, 0);
  await page.pass(40);
  assert.equal(page.requests.length, 1);
  assert.equal(frame.loads, 1);
});

test("a hidden page asks for nothing until it is shown", async () => {
  const page = new Page();
  page.hidden = true;
  await page.pass(1000);
  assert.equal(page.requests.length, 0);
  page.hidden = false;
  await page.dispatch("visibilitychange");
  assert.equal(page.requests.length, 1);
});

test("a page out of the back/forward cache asks only if it must", async () => {
  const page = new Page();
  await page.dispatch("pageshow");
  assert.equal(page.requests.length, 0);
  page.wall += 1_000_000;
  await page.dispatch("pageshow");
  assert.equal(page.requests.length, 1);
});

test("a page that is come back to loads the new address, which browsers do not", async () => {
  const page = new Page({ ttls: [100, 100], navigation: "back_forward" });
  assert.deepEqual(page.frames.map((frame) => [frame.src, frame.loads]), [[GAME + "first", 1], [GAME + "first", 1]]);
  assert.equal(page.requests.length, 0);
});

test("who is playing is disturbed only at the last moment", async () => {
  const page = new Page();
  page.active = page.frames[0];
  await page.pass(88);
  assert.equal(page.requests.length, 0);
  await page.pass(9);
  assert.equal(page.requests.length, 1, "but before the token ends");
});

test("pooled:refresh asks at once, whoever plays", async () => {
  const page = new Page();
  page.active = page.frames[0];
  await page.dispatch("pooled:refresh");
  assert.equal(page.requests.length, 1);
});

test("pooled:refresh during a request is answered by another one", async () => {
  const page = new Page();
  let finish;
  const good = page.answer;
  page.answer = () => new Promise((resolve) => { finish = async () => resolve(await good()); });
  await page.dispatch("pooled:refresh");
  await page.dispatch("pooled:refresh");
  await page.dispatch("pooled:refresh");
  assert.equal(page.requests.length, 1);
  await finish();
  page.answer = good;
  await page.pass(10);
  assert.equal(page.requests.length, 2);
});

test("no answer leads the frame to another site", async () => {
  const page = new Page();
  page.answer = async () => ({ status: 200, json: async () => ({ src: "https://evil.example/", ttl: 100 }) });
  await page.pass(90);
  assert.ok(page.requests.length > 0);
  assert.equal(page.frames[0].src, GAME + "first");
});
