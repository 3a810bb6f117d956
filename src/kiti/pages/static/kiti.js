// Two small comforts; every page works without them.

// A hold's clock: seconds left as the server counted them, so a phone's wrong clock does no harm.
const clock = document.querySelector("[data-seconds]");
if (clock) {
  const began = performance.now();
  const seconds = Number(clock.dataset.seconds);
  const shown = clock.querySelector("[data-left]");
  const said = document.querySelector("[data-said]");
  let announced = Infinity;
  const tick = () => {
    const left = Math.max(0, Math.ceil(seconds - (performance.now() - began) / 1000));
    shown.textContent = `(${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")})`;
    for (const minute of [1, 5]) {
      if (left <= minute * 60 && left > minute * 60 - 30 && announced > minute) {
        announced = minute;
        said.textContent = shown.textContent;
      }
    }
    if (left === 0) {
      clearInterval(timer);
      if (!document.querySelector("form :focus")) location.reload();
    }
  };
  const timer = setInterval(tick, 1000);
  tick();
}

// A waiting page asks again quietly, and moves on as soon as there is news.
const waiting = document.querySelector("[data-waiting]");
if (waiting) {
  const ask = async () => {
    try {
      const answer = await fetch(waiting.dataset.waiting);
      const text = await answer.text();
      if (answer.ok && !text.includes("data-waiting=")) {
        location.replace(waiting.dataset.waiting);
        return;
      }
    } catch {
      // No network for a moment: the next try may have one.
    }
    setTimeout(ask, Number(waiting.dataset.every) * 1000);
  };
  setTimeout(ask, Number(waiting.dataset.every) * 1000);
}
