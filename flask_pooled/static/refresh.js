// New tokens for the frames of pooled_iframe(refresh=True).
(() => {
  "use strict";
  if (window.pooledRefresh) return;
  window.pooledRefresh = true;

  const frames = () => [...document.querySelectorAll("iframe[data-pooled-session]")];
  const ttl = (frame) => frame.dataset.pooledTtl * 1000;
  // Sleep stops one clock, people set the other.
  const now = () => [Date.now(), performance.now()];
  const since = (t) => Math.max(Date.now() - t[0], performance.now() - t[1]);

  let busy, wanted, failed, pause, failures = 0;

  function isDue(frame) {
    frame.pooledMade ||= now();
    let early = Math.min(120000, ttl(frame) / 3);
    // Who is playing is disturbed as late as can be.
    if (document.activeElement === frame) early /= 4;
    return ttl(frame) - since(frame.pooledMade) < early;
  }

  function check() {
    if (busy || document.hidden || (failed && since(failed) < pause)) return;
    const all = frames();
    if (all.filter(isDue).length || (wanted && all.length)) renew(all[0].dataset.pooledSession);
  }

  async function renew(url) {
    busy = true;
    wanted = failed = false;
    try {
      const answer = await fetch(url, {
        headers: { "X-Pooled-Refresh": "1" },
        cache: "no-store",
        redirect: "manual",
        signal: AbortSignal.timeout(10000),
      });
      // So is a redirect to log in.
      if (answer.status === 401 || answer.type === "opaqueredirect") frames().forEach(leave);
      else show(await answer.json());
      failures = 0;
    } catch {
      wanted = true;
      failed = now();
      pause = Math.min(1000 * 2 ** failures++, 300000) * (0.5 + Math.random() / 2);
    }
    busy = false;
  }

  function show({ src, ttl }) {
    for (const frame of frames()) {
      if (new URL(src).origin !== new URL(frame.src).origin) throw src;
      frame.dataset.pooledTtl = ttl;
      load(frame, src);
    }
  }

  function load(frame, src) {
    const { parentNode, nextSibling } = frame;
    // Out of the document, it leaves no entry in the history.
    frame.remove();
    frame.src = src;
    parentNode.insertBefore(frame, nextSibling);
    frame.pooledMade = now();
  }

  function leave(frame) {
    const template = frame.nextElementSibling;
    frame.replaceWith(template.content);
    template.remove();
  }

  function demand(event) {
    wanted ||= event.type !== "online";
    failed = false;
    check();
  }

  const [visit] = performance.getEntriesByType("navigation");
  for (const frame of frames()) {
    frame.pooledMade = [performance.timeOrigin, 0];
    // Browsers that go back show its old address.
    if (visit?.type === "back_forward") load(frame, frame.src);
  }
  // Captured: so the document's come by too.
  for (const type of ["pooled:refresh", "online"]) addEventListener(type, demand, true);
  for (const type of ["pageshow", "visibilitychange"]) addEventListener(type, check, true);
  setInterval(check, Math.max(200, Math.min(5000, ...frames().map((frame) => ttl(frame) / 20))));
})();
