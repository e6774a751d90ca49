// A short fall of paper over a win. Nothing moves for players who asked for less motion.

const CALM = matchMedia("(prefers-reduced-motion: reduce)");
const COLOURS = ["#d9b25f", "#f0dca8", "#b98a2f", "#7b4fcb", "#63c7dd", "#f7f3ea"];

// Paper still falling for the last win; the next sheet is not its business.
let falling = 0;

export function clear(canvas) {
  falling += 1;
  canvas.hidden = true;
}

export function celebrate(canvas, seconds = 4.5) {
  if (CALM.matches) return;
  falling += 1;
  const mine = falling;
  const scale = devicePixelRatio || 1;
  const width = (canvas.width = innerWidth * scale);
  const height = (canvas.height = innerHeight * scale);
  const paint = canvas.getContext("2d");
  const papers = Array.from({ length: 140 }, () => ({
    x: Math.random() * width,
    y: -Math.random() * height * 0.6,
    w: (5 + Math.random() * 6) * scale,
    fall: (110 + Math.random() * 170) * scale,
    sway: (12 + Math.random() * 30) * scale,
    turn: Math.random() * 6,
    colour: COLOURS[Math.floor(Math.random() * COLOURS.length)],
  }));
  canvas.hidden = false;
  const began = performance.now();
  requestAnimationFrame(function frame(now) {
    if (mine !== falling) return;
    const age = Math.max(0, (now - began) / 1000);
    paint.clearRect(0, 0, width, height);
    if (age > seconds) {
      canvas.hidden = true;
      return;
    }
    paint.globalAlpha = Math.min(1, (seconds - age) * 1.5);
    for (const paper of papers) {
      const angle = paper.turn + age * 3;
      paint.save();
      paint.translate(paper.x + Math.sin(angle) * paper.sway, paper.y + age * paper.fall);
      paint.rotate(angle * 0.6);
      paint.fillStyle = paper.colour;
      paint.fillRect(-paper.w / 2, (-paper.w / 3) * Math.cos(angle), paper.w, paper.w * 0.66 * Math.cos(angle));
      paint.restore();
    }
    requestAnimationFrame(frame);
  });
}
