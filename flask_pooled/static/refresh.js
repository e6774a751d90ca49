// New tokens for the frames of pooled_iframe(refresh=True).
(() => {
  "use strict";
  if (window.pooledRefresh) return;
  window.pooledRefresh = true;

  const frames = () => [...document.querySelectorAll("iframe[data-pooled-session]")];
  const ttl = (frame) => frame.dataset.pooledTtl * 1000;
  // The first clock goes on in a sleeping laptop, the second when the first is set back.
  const now = () => [Date.now(), performance.now()];
  const since = (t) => Math.max(Date.now() - t[0], performance.now() - t[1]);

  // When each token was made, or earlier.
  const made = new WeakMap();
  for (const frame of frames()) made.set(frame, [performance.timeOrigin, 0]);

  let busy = false, wanted = false, failures = 0, failed = null, pause = 0;

  function isDue(frame) {
    if (!made.has(frame)) made.set(frame, now());
    const early = Math.min(120000, ttl(frame) / 3);
    // Who is playing is disturbed as late as can be.
    const lead = document.activeElement === frame ? early / 4 : early;
    return ttl(frame) - since(made.get(frame)) < lead;
  }

  function check() {
    if (busy || document.hidden || (failed && since(failed) < pause)) return;
    const all = frames();
    if (all.filter(isDue).length || (wanted && all.length)) renew(all[0].dataset.pooledSession);
  }

  async function renew(url) {
    busy = true;
    wanted = false;
    try {
      const answer = await fetch(url, {
        headers: { "X-Pooled-Refresh": "1" },
        cache: "no-store",
        redirect: "manual",
        signal: AbortSignal.timeout(10000),
      });
      // To be sent to log in is the same.
      if (answer.status === 401 || answer.type === "opaqueredirect") leave();
      else show(await answer.json());
      failures = 0;
      failed = null;
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
      const { parentNode, nextSibling } = frame;
      // Out of the document, it leaves no entry in the history.
      frame.remove();
      frame.src = src;
      frame.dataset.pooledTtl = ttl;
      parentNode.insertBefore(frame, nextSibling);
      made.set(frame, now());
    }
  }

  function leave() {
    for (const frame of frames()) {
      const template = frame.nextElementSibling;
      frame.replaceWith(template.content);
      template.remove();
    }
  }

  function demand(event) {
    if (event.type !== "online") wanted = true;
    failed = null;
    check();
  }

  // Captured: so those of the document come by too.
  for (const type of ["pooled:refresh", "online"]) addEventListener(type, demand, true);
  for (const type of ["pageshow", "visibilitychange"]) addEventListener(type, check, true);
  setInterval(check, Math.max(200, Math.min(5000, ...frames().map((frame) => ttl(frame) / 20))));
})();
