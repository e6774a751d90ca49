// Keeps an open page of the console up to date. Without it, the page is complete, and as old as its last reload.
(() => {
  "use strict";
  const PAUSE = 5000;
  const live = document.getElementById("live");
  const find = (root) => [...root.querySelectorAll("[data-live]")];
  let timer, busy;

  function say(text, off) {
    live.hidden = false;
    live.classList.toggle("off", off);
    if (live.textContent !== text) live.textContent = text;
  }

  // What somebody is in the middle of stays as it is.
  function isTouched(part) {
    const selection = getSelection();
    if (!selection.isCollapsed && selection.containsNode(part, true)) return true;
    return [...part.querySelectorAll("input, select, textarea")].some((field) =>
      field.type === "checkbox" ? field.checked !== field.defaultChecked
        : field.matches("input, textarea") && field.value !== field.defaultValue);
  }

  function renew(part, fresh) {
    const opened = [...part.querySelectorAll("details[open]")].map((each) => each.id);
    const copy = document.importNode(fresh, true);
    for (const id of opened) copy.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
    if (part.isEqualNode(copy) || isTouched(part)) return;
    const focus = part.contains(document.activeElement) ? document.activeElement : null;
    const again = focus && focus.id ? copy.querySelector(`#${CSS.escape(focus.id)}`) : null;
    // Nobody is thrown back to the beginning of the page.
    if (focus && !again) return;
    part.replaceChildren(...copy.childNodes);
    again?.focus({ preventScroll: true });
  }

  async function look() {
    timer = undefined;
    if (busy || document.hidden) return;
    busy = true;
    const begun = performance.now();
    try {
      const answer = await fetch(location.href, {
        cache: "no-store", redirect: "error", signal: AbortSignal.timeout(10000),
      });
      if (!answer.ok) throw answer.status;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const parts = new Map(find(fresh).map((part) => [part.dataset.live, part]));
      if (!parts.size) throw "another page";
      for (const part of find(document)) {
        const other = parts.get(part.dataset.live);
        if (other) renew(part, other);
      }
      document.title = fresh.title;
      say("Live", false);
      // A large inbox is not asked all the time.
      later(Math.max(PAUSE, 20 * (performance.now() - begun)));
    } catch {
      say("Not live any more: reload the page", true);
    }
    busy = false;
  }

  function later(pause) {
    clearTimeout(timer);
    timer = setTimeout(look, pause);
  }

  const start = () => timer || look();
  document.addEventListener("visibilitychange", start);
  addEventListener("online", start);
  later(PAUSE);
})();
