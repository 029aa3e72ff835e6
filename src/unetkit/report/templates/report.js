"use strict";
document.documentElement.classList.add("scripted");

const one = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const LAYERS = { image: "Image", truth: "Truth", prediction: "Prediction", error: "Error", objects: "Objects" };

// The table of contents follows the reader.
function followReader() {
  const links = new Map(all(".contents a").map((link) => [link.hash.slice(1), link]));
  const sections = all("main section");
  const mark = () => {
    const reached = sections.filter((section) => section.getBoundingClientRect().top < innerHeight * 0.35).pop();
    for (const [id, link] of links) {
      const here = reached !== undefined && reached.id === id;
      if (here === link.hasAttribute("aria-current")) continue;
      link.toggleAttribute("aria-current", here);
      if (here) link.parentElement.parentElement.parentElement.scrollLeft = link.offsetLeft - 24;
    }
  };
  addEventListener("scroll", mark, { passive: true });
  mark();
}

// The curves tell their values under the pointer, the finger or the arrow keys.
function readCurves(figure) {
  const readout = one(".readout", figure);
  const rest = readout.textContent;
  let at = null;
  const charts = all("svg[data-hover]", figure);
  const points = charts.map((chart) => JSON.parse(chart.dataset.hover));
  const show = (index) => {
    at = index;
    charts.forEach((chart, i) => {
      const x = index === null ? 0 : points[i][index][0];
      const line = one(".crosshair", chart);
      line.classList.toggle("off", index === null);
      line.setAttribute("x1", x);
      line.setAttribute("x2", x);
    });
    readout.textContent = index === null ? rest : points[0][index][1];
  };
  charts.forEach((chart, i) => {
    const follow = (event) => {
      const box = chart.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * chart.viewBox.baseVal.width;
      const distances = points[i].map((point) => Math.abs(point[0] - x));
      show(distances.indexOf(Math.min(...distances)));
    };
    chart.addEventListener("pointermove", follow);
    chart.addEventListener("pointerdown", follow);
    chart.addEventListener("pointerleave", () => show(null));
  });
  figure.addEventListener("keydown", (event) => {
    if (!points.length || !["ArrowLeft", "ArrowRight"].includes(event.key)) return;
    event.preventDefault();
    const last = points[0].length - 1;
    const step = event.key === "ArrowRight" ? 1 : -1;
    show(at === null ? (step > 0 ? 0 : last) : Math.max(0, Math.min(last, at + step)));
  });
  figure.addEventListener("blur", () => show(null));
}

// The viewer: pictures are decoded only for the case that is on the stage.
function openViewer(viewer) {
  const stage = one("[data-stage]", viewer);
  const wipe = one("[data-wipe]", viewer);
  const cases = all("[data-case]", viewer);
  const chosen = (name) => one(`input[name="${name}"]:checked`, viewer).value;

  const picture = (source, alt) => {
    const image = new Image();
    image.decoding = "async";
    image.alt = alt;
    image.src = source;
    return image;
  };
  const fill = (side, shown, layer) => {
    const base = one('[data-layer="image"]', shown.content).src;
    const paint = layer && layer !== "image" ? one(`[data-layer="${layer}"]`, shown.content) : null;
    const images = layer ? [picture(base, `${LAYERS[layer]} of ${shown.dataset.name}`)] : [];
    if (paint) images.push(picture(paint.src, ""));
    one(`[data-pane="${side}"]`, viewer).replaceChildren(...images);
    one(`[data-corner="${side}"]`, viewer).textContent = layer ? LAYERS[layer] : "";
  };
  const offer = (shown) => {
    const there = new Set(all("[data-layer]", shown.content).map((image) => image.dataset.layer));
    for (const input of all(".segmented input", viewer)) input.disabled = input.value !== "" && !there.has(input.value);
    for (const input of all(".segmented input:checked:disabled", viewer)) {
      one(`input[name="${input.name}"][value="prediction"]`, viewer).checked = true;
    }
  };
  const draw = () => {
    const shown = cases[Number(chosen("case"))];
    const { width, height } = shown.dataset;
    offer(shown);
    stage.style.setProperty("--ratio", width / height);
    stage.classList.toggle("pixelated", Math.max(width, height) < 320);
    stage.classList.toggle("single", chosen("right") === "");
    fill("left", shown, chosen("left"));
    fill("right", shown, chosen("right"));
    one("[data-shown-name]", viewer).textContent = shown.dataset.name;
    one("[data-shown-scores]", viewer).textContent = shown.dataset.scores;
  };
  const move = () => {
    stage.style.setProperty("--at", `${wipe.value}%`);
    wipe.setAttribute("aria-valuetext", `${wipe.value} % from the left`);
  };
  viewer.addEventListener("change", (event) => event.target !== wipe && draw());
  wipe.addEventListener("input", move);
  draw();
  move();
}

followReader();
all("[data-curves]").forEach(readCurves);
all("[data-viewer]").forEach(openViewer);
addEventListener("beforeprint", () => {
  for (const details of all("details")) details.open = true;
  for (const image of all("img")) image.loading = "eager";
});
