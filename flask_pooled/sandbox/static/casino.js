// The admin page: renews the lists from the page's own HTML, and its buttons call the control API.

const casino = document.getElementById("casino");
const said = document.getElementById("said");
const { key, tenant } = casino.dataset;

async function renew(isOther = false) {
  const asked = location.href;
  const response = await fetch(asked);
  if (!response.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  if (asked !== location.href) return;
  const pools = document.getElementById("pools");
  const focused = document.activeElement?.closest("#pools, #log") ? document.activeElement.dataset : null;
  pools.replaceChildren(...fresh.getElementById("pools").children);
  const open = new Set([...document.querySelectorAll(".line[open]")].map((line) => line.dataset.delivery));
  const log = document.getElementById("log");
  const newest = (root) => root.querySelector(".line")?.dataset.delivery;
  if (isOther || newest(log) !== newest(fresh.getElementById("log"))) {
    log.replaceChildren(...fresh.getElementById("log").childNodes);
    for (const line of log.querySelectorAll(".line")) line.open = open.has(line.dataset.delivery);
  }
  if (isOther) {
    const fields = fresh.querySelectorAll("#filters nav");
    for (const [place, nav] of document.querySelectorAll("#filters nav").entries()) {
      const hadFocus = nav.contains(document.activeElement);
      nav.replaceChildren(...fields[place].childNodes);
      if (hadFocus) nav.querySelector("[aria-current]").focus();
    }
  }
  if (focused?.do) {
    const same = focused.pool ? `[data-pool="${focused.pool}"]` : `[data-delivery="${focused.delivery}"]`;
    document.querySelector(`[data-do="${focused.do}"]${same}`)?.focus();
  }
}

// Another filter is another address, so that a reload, a bookmark and the next renewal show the same.
async function filter(address) {
  history.replaceState(null, "", address);
  await renew(true);
}

const filters = document.getElementById("filters");
filters.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  filter(link.href).catch(silent(said));
});
filters.addEventListener("input", (event) => {
  const address = new URL(location.href);
  address.searchParams.delete("text");
  if (event.target.value.trim()) address.searchParams.set("text", event.target.value.trim());
  filter(address.href).catch(silent(said));
});

async function act(button) {
  const { do: action, pool, delivery } = button.dataset;
  const body = action === "resend" ? { delivery: Number(delivery) } : { tenant, pool };
  const response = await fetch(`/_control/${action}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Sandbox-Key": key },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  said.textContent = response.ok
    ? { draw: "The pool is drawn.", expire: "The pool has expired.", resend: `Sent again as #${answer.delivery}.` }[action]
    : answer.error;
  await renew();
}

const faults = document.getElementById("faults");
const faultsSaid = document.getElementById("faults-said");

async function control(method, path, body) {
  const response = await fetch(`/_control/${path}`, {
    method,
    headers: { "Content-Type": "application/json", "X-Sandbox-Key": key },
    body: body && JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) faultsSaid.textContent = answer.error;
  return response.ok ? answer : null;
}

function show(settings) {
  if (!settings) return;
  for (const [name, value] of Object.entries(settings)) faults.elements[name].value = value;
  const on = [...faults.elements].some((field) => field.name in settings && !["0", "current", "intact"].includes(field.value));
  faultsSaid.textContent = on ? "Switched for every event from now on." : "All off.";
}

async function switchFault(field) {
  if (!field.name || field.name === "refunds" || !field.reportValidity()) return;
  const value = field.type === "number" ? field.valueAsNumber : field.value;
  show(await control("POST", "faults", { [field.name]: value }));
}

async function storm() {
  const field = faults.elements.refunds;
  if (!field.reportValidity()) return;
  const done = await control("POST", "storm", { tenant, refunds: field.valueAsNumber });
  if (done) faultsSaid.textContent = `${done.refunds} refunds are on their way.`;
  await renew();
}

const silent = (reason) => () => { reason.textContent = "The sandbox does not answer."; };
faults?.addEventListener("submit", (event) => event.preventDefault());
faults?.addEventListener("change", (event) => switchFault(event.target).catch(silent(faultsSaid)));
faults?.addEventListener("click", (event) => {
  const action = event.target.closest("button")?.dataset.do;
  const doing = { clear: async () => show(await control("DELETE", "faults")), storm }[action];
  doing?.().catch(silent(faultsSaid));
});

casino.addEventListener("click", (event) => {
  const button = event.target.closest("#pools button[data-do], #log button[data-do]");
  if (button) act(button).catch(silent(said));
});

setInterval(() => { if (!document.hidden) renew().catch(() => {}); }, 2000);
