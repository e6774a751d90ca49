// The two sheets over the page: how a pool ended, and how an open one is sealed.

import { celebrate, clear } from "./confetti.js";
import { verify } from "./verify.js";

const byId = (id) => document.getElementById(id);
const number = (value) => value.toLocaleString("en-US");

export function ticketText(pool) {
  const shown = pool.tickets.map(number).join(", ");
  const more = pool.ticket_count - pool.tickets.length;
  const label = pool.ticket_count === 1 ? "Your ticket: No." : `Your ${number(pool.ticket_count)} tickets:`;
  return `${label} ${shown}${more > 0 ? ` and ${number(more)} more` : ""}`;
}

const WORDS = {
  won: (result) => ({
    kicker: `The ${result.prize} pool is drawn`,
    title: "You won",
    text: "The prize is on its way to your casino wallet.",
    close: "Wonderful",
  }),
  lost: (result) => ({
    kicker: `The ${result.prize} pool is drawn`,
    title: "Not this time",
    text: `${result.draw.winner} won. ${ticketText(result)}.`,
    close: "Continue",
  }),
  refunded: (result) => ({
    kicker: `The ${result.prize} pool has closed`,
    title: result.amount === "$0.00" ? "No draw this time" : "Refunded",
    text:
      result.amount === "$0.00"
        ? "It did not fill in time. Your free ticket cost nothing."
        : "It did not fill in time. $1.00 for each paid ticket goes back to your casino wallet.",
    close: "Continue",
  }),
};

export function announcement(result) {
  const { kicker, title, text } = WORDS[result.outcome](result);
  return `${kicker}. ${title} ${result.outcome === "lost" ? "" : result.amount}. ${text}`;
}

async function fillProof(prefix, draw) {
  byId(`${prefix}-commit`).textContent = draw.commit;
  byId(`${prefix}-seed`).textContent = draw.seed;
  byId(`${prefix}-ticket`).textContent = `No. ${number(draw.ticket)} of ${number(draw.entries)}, ${draw.winner}`;
  const checks = await verify(draw);
  byId(`${prefix}-checks`).replaceChildren(
    ...checks.map(({ ok, text }) => {
      const item = document.createElement("li");
      item.textContent = text;
      item.className = ok ? "ok" : "bad";
      return item;
    }),
  );
}

export function showResult(result, { fresh }) {
  const dialog = byId("result");
  const words = WORDS[result.outcome](result);
  dialog.dataset.outcome = result.outcome;
  byId("result-kicker").textContent = words.kicker;
  byId("result-title").textContent = words.title;
  byId("result-text").textContent = words.text;
  byId("result-close").textContent = words.close;
  const amount = byId("result-amount");
  amount.hidden = result.outcome === "lost" || result.amount === "$0.00";
  amount.textContent = result.outcome === "won" ? result.prize : result.amount;
  byId("result-stub").hidden = !result.draw;
  byId("result-ticket").textContent = result.draw ? `No. ${number(result.draw.ticket)}` : "";
  const proof = byId("proof");
  proof.hidden = !result.draw;
  proof.open = false;
  if (result.draw) fillProof("proof", result.draw);
  if (!dialog.open) dialog.showModal();
  byId("result-title").focus();
  if (fresh && result.outcome === "won") {
    // A dialog is above everything; the canvas joins it there.
    dialog.append(byId("confetti"));
    celebrate(byId("confetti"));
  }
}

export function showSeal(pool) {
  byId("seal-title").textContent = `The ${pool.prize} pool`;
  byId("seal-commit").textContent = pool.commit;
  const last = byId("seal-last");
  last.hidden = !pool.last;
  last.open = false;
  if (pool.last) fillProof("last", pool.last);
  byId("seal-mine").hidden = !pool.ticket_count;
  byId("seal-mine").textContent = pool.ticket_count ? `${ticketText(pool)}.` : "";
  byId("seal").showModal();
  byId("seal-title").focus();
}

export function wireDialogs(onResultClosed) {
  for (const name of ["result", "seal"]) {
    const dialog = byId(name);
    byId(`${name}-close`).addEventListener("click", () => dialog.close());
    // A click on the backdrop lands on the dialog itself.
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  }
  byId("result").addEventListener("close", () => {
    clear(byId("confetti"));
    onResultClosed();
  });
}
