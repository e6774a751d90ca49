// The admin page: renews the lists from the page's own HTML, and its buttons call the control API.

const casino = document.getElementById("casino");
const said = document.getElementById("said");
const { key, tenant } = casino.dataset;

async function renew() {
  const response = await fetch(location.href);
  if (!response.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  const pools = document.getElementById("pools");
  const focused = document.activeElement?.closest("#pools, #log") ? document.activeElement.dataset : null;
  pools.replaceChildren(...fresh.getElementById("pools").children);
  const open = new Set([...document.querySelectorAll(".line[open]")].map((line) => line.dataset.delivery));
  const log = document.getElementById("log");
  const newest = (root) => root.querySelector(".line")?.dataset.delivery;
  if (newest(log) !== newest(fresh.getElementById("log"))) {
    log.replaceChildren(...fresh.getElementById("log").childNodes);
    for (const line of log.querySelectorAll(".line")) line.open = open.has(line.dataset.delivery);
  }
  if (focused?.do) {
    const same = focused.pool ? `[data-pool="${focused.pool}"]` : `[data-delivery="${focused.delivery}"]`;
    document.querySelector(`[data-do="${focused.do}"]${same}`)?.focus();
  }
}

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
