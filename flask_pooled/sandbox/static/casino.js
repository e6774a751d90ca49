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

casino.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-do]");
  if (button) act(button).catch(() => { said.textContent = "The sandbox does not answer."; });
});

setInterval(() => { if (!document.hidden) renew().catch(() => {}); }, 2000);
