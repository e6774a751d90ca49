// The player's page: looks at the pools about once a second and shows what changed.

import { announcement, showResult, showSeal, ticketText, wireDialogs } from "./dialogs.js";

const game = document.getElementById("game");
const live = document.getElementById("live");
const notice = document.getElementById("notice");
const { api, token } = game.dataset;

const BLOCKED = {
  not_verified: "Please complete verification with your casino to enter.",
  balance_too_low: "Your balance is below $1.50. Please make a deposit to enter.",
};

let state = null;
let isEntering = false;
let isOver = false;
const queue = [];
const queued = new Set();

async function call(path, body) {
  const response = await fetch(api + path, {
    method: body ? "POST" : "GET",
    headers: { Authorization: `Bearer ${token}`, ...(body && { "Content-Type": "application/json" }) },
    body: body && JSON.stringify(body),
  });
  const answer = await response.json();
  if (response.status === 401) end();
  if (!response.ok) throw Object.assign(new Error(answer.message || "Please try again."), { isAnswer: true });
  return answer;
}

function end() {
  isOver = true;
  notice.hidden = false;
  notice.textContent = "Your session has ended. Please reload the page.";
  for (const button of document.querySelectorAll("[data-entry]")) button.disabled = true;
}

function show(next) {
  const before = state;
  state = next;
  const { player } = next;
  const purse = document.querySelector("[data-balance]");
  if (purse.textContent !== player.balance) {
    purse.textContent = player.balance;
  }
  notice.hidden = !player.blocked;
  notice.textContent = BLOCKED[player.blocked] ?? "";
  next.pools.forEach(showPool);
  showHistory(next.results);
  for (const result of [...next.results].reverse()) {
    if (!result.unseen || queued.has(result.number)) continue;
    queued.add(result.number);
    queue.push(result);
    live.textContent = announcement(result);
    if (before && result.outcome !== "lost") flash(purse.parentElement);
  }
  showNext();
}

function showPool(pool) {
  const card = document.querySelector(`[data-size="${pool.size}"]`);
  const part = (name) => card.querySelector(`[data-${name}]`);
  card.dataset.pool = pool.id;
  card.dataset.state = pool.state;
  card.dataset.filled = pool.filled;
  card.classList.toggle("is-mine", pool.ticket_count > 0);
  card.querySelector(".ring-fill").setAttribute("stroke-dasharray", `${(pool.share * 100).toFixed(2)} 100`);
  part("left").textContent = pool.left.toLocaleString("en-US");
  part("stage").textContent = pool.state === "drawing" ? "Drawing" : `${Math.floor(pool.share * 100)}% full`;
  part("mine").hidden = !pool.ticket_count;
  part("mine").textContent =
    pool.ticket_count === 1
      ? `Your ticket ${pool.tickets[0].toLocaleString("en-US")}`
      : `You hold ${pool.ticket_count.toLocaleString("en-US")} tickets`;
  const code = part("commit");
  code.dataset.commit = pool.commit;
  code.textContent = `${pool.commit.slice(0, 6)}…${pool.commit.slice(-6)}`;
  for (const button of card.querySelectorAll("[data-entry]")) {
    const kind = button.dataset.entry;
    button.hidden = kind === "credit" && !state.player.credits;
    button.disabled =
      isEntering || isOver || pool.state !== "open" || Boolean(state.player.blocked) || !state.player.affordable.includes(kind);
  }
}

function showHistory(results) {
  const list = document.getElementById("results");
  document.getElementById("no-results").hidden = results.length > 0;
  const newest = String(results[0]?.number ?? "");
  if (list.dataset.newest === newest) return;
  list.dataset.newest = newest;
  list.replaceChildren(...results.slice(0, 5).map(historyLine));
}

function historyLine(result) {
  const item = document.createElement("li");
  item.className = result.outcome;
  const what = document.createElement("span");
  what.className = "what";
  what.textContent = { won: "Won", lost: "Not drawn", refunded: "Refunded" }[result.outcome] + `, ${result.prize} pool`;
  const sum = document.createElement("span");
  sum.className = "sum";
  sum.textContent = result.outcome === "lost" ? "" : `+${result.amount}`;
  const more = document.createElement("button");
  more.type = "button";
  more.className = "plain";
  more.textContent = "Details";
  more.addEventListener("click", () => showResult(result, { fresh: false }));
  item.append(what, sum, more);
  return item;
}

function showNext() {
  if (!queue.length || document.querySelector("dialog[open]")) return;
  const result = queue.shift();
  showResult(result, { fresh: true });
  call("seen", { number: result.number }).catch(() => {});
}

function flash(purse) {
  purse.classList.remove("is-up");
  void purse.offsetWidth; // starts the animation anew
  purse.classList.add("is-up");
}

async function enter(button) {
  const card = button.closest("[data-pool]");
  const hint = card.querySelector("[data-hint]");
  hint.hidden = true;
  isEntering = true;
  button.setAttribute("aria-busy", "true");
  try {
    const answer = await call("enter", { pool: card.dataset.pool, kind: button.dataset.entry });
    live.textContent = `You are in. ${ticketText({ tickets: answer.entered, ticket_count: answer.entered.length })}.`;
    isEntering = false;
    show(answer);
  } catch (problem) {
    hint.textContent = problem.isAnswer ? problem.message : "No connection. Please try again.";
    hint.hidden = false;
  } finally {
    isEntering = false;
    button.removeAttribute("aria-busy");
  }
}

async function look() {
  if (!isOver && !isEntering && !document.hidden) {
    try {
      const next = await call("state");
      if (!isEntering) show(next);
    } catch {
      // The next look, a second from now, may find the connection again.
    }
  }
  if (!isOver) setTimeout(look, 1000);
}

game.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.entry && !isEntering) enter(button);
  if (button && "seal" in button.dataset && state) {
    showSeal(state.pools.find((pool) => String(pool.size) === button.closest("[data-size]").dataset.size));
  }
});
wireDialogs(showNext);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !isOver) call("state").then(show, () => {});
});

// The demo view comes without a token; with it in the address, a reload keeps the player.
if ("demo" in game.dataset) {
  const address = new URL(location.href);
  address.searchParams.set("token", token);
  history.replaceState(null, "", address);
}

look();
