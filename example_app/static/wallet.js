// Keeps balance and movements of an open page up to date: asks for the state every two seconds while the page is
// visible, and for the rows only when there is a new one. Without this script a reload shows the same.
"use strict";

const EVERY = 2000; // milliseconds
const rows = document.querySelector("[data-state]");
const toast = document.querySelector(".toast");
let fading;

function newest() {
  return Number(rows.firstElementChild?.dataset.id ?? 0);
}

function announce(row) {
  const memo = row.querySelector(".memo").textContent;
  const amount = row.querySelector(".amount").textContent;
  toast.textContent = `${memo}: ${amount}`;
  toast.classList.toggle("prize", row.classList.contains("prize"));
  toast.classList.add("shown");
  clearTimeout(fading);
  fading = setTimeout(() => toast.classList.remove("shown"), 6000);
}

async function get(address) {
  const answer = await fetch(address, { redirect: "error", cache: "no-store" });
  if (!answer.ok) throw new Error(`the wallet answered ${answer.status}`);
  return answer;
}

async function refresh() {
  const state = await (await get(rows.dataset.state)).json();
  for (const place of document.querySelectorAll("[data-balance]")) place.textContent = state.balance;
  const seen = newest();
  if (state.latest === seen) return;
  const fresh = document.createElement("template");
  fresh.innerHTML = await (await get(rows.dataset.rows)).text();
  rows.replaceChildren(fresh.content);
  const arrived = [...rows.children].filter((row) => Number(row.dataset.id) > seen);
  for (const row of arrived) row.classList.add("arrived");
  const gains = arrived.filter((row) => row.matches(".prize, .refund"));
  if (gains.length) announce(gains.find((row) => row.matches(".prize")) ?? gains[0]);
}

async function watch() {
  // A failing answer (the casino restarts, the player signed out elsewhere) leaves the page as it is.
  if (!document.hidden) await refresh().catch(() => {});
  setTimeout(watch, EVERY);
}

if (rows) watch();
