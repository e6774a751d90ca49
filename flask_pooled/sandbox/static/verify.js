// Repeats a draw's arithmetic in the browser: the seed must give the fingerprint, and the fingerprinted seed the ticket.

async function sha256(text) {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export async function verify(draw) {
  if (!globalThis.crypto?.subtle) {
    return [{ ok: false, text: "This browser cannot compute SHA-256 on this address. Use any other tool." }];
  }
  const print = await sha256(draw.seed);
  const number = BigInt(`0x${await sha256(`${draw.seed}:winner`)}`);
  const ticket = Number(number % BigInt(draw.entries)) + 1;
  const ticketText = ticket.toLocaleString("en-US");
  return [
    print === draw.commit
      ? { ok: true, text: "SHA-256 of the seed is the fingerprint." }
      : { ok: false, text: "SHA-256 of the seed is not the fingerprint." },
    ticket === draw.ticket
      ? { ok: true, text: `The seed draws ticket ${ticketText}.` }
      : { ok: false, text: `The seed draws ticket ${ticketText}, not the one announced.` },
  ];
}
