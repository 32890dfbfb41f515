// Moves all clips of a pair together, by frames; without it they move by the style sheet alone.
for (const clips of document.querySelectorAll(".clips")) {
  const one = (name) => clips.querySelector("." + name);
  const frames = Number(clips.dataset.frames);
  const hold = one("hold"), at = one("frame"), said = one("said"), cursor = one("cursor");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let frame = 0, timer = 0;
  const show = (next) => {
    frame = (next + frames) % frames;
    clips.style.setProperty("--frame", frame);
    at.value = frame;
    said.textContent = said.dataset.said.replace("#", 1 + frame * clips.dataset.every); // no live region: nobody wants each frame read out
    at.setAttribute("aria-valuetext", said.textContent);
    const place = (frame / (frames - 1)) * 100 + "%";
    cursor?.setAttribute("x1", place);
    cursor?.setAttribute("x2", place);
  };
  // The box says "Pause", or "Play" to those who asked for less motion.
  const run = () => {
    clearInterval(timer);
    if (hold.checked === still.matches) timer = setInterval(() => show(frame + 1), clips.dataset.seconds * 1000);
  };
  const stepTo = (next) => {
    hold.checked = !still.matches;
    run();
    show(next);
  };
  one("back").addEventListener("click", () => stepTo(frame - 1));
  one("on").addEventListener("click", () => stepTo(frame + 1));
  at.addEventListener("input", () => stepTo(Number(at.value)));
  hold.addEventListener("change", run);
  still.addEventListener("change", run);
  one("wipe").addEventListener("input", (event) => clips.style.setProperty("--wipe", event.target.value));
  clips.classList.add("driven");
  show(0);
  run();
}
