/** The page: a list of images, the model that takes them one by one, and the result of one of them. */

import { make, part } from "./dom";
import { Engine, STOPPED, readFacts } from "./engine";
import { type Entry, doing } from "./entry";
import type { Facts, MaskFacts } from "./facts";
import { type FaultParts, partsOf } from "./fault";
import { List } from "./list";
import { connected } from "./objects";
import { READS } from "./picture";
import { ResultView, caption, notes } from "./result";

const facts = readFacts();
const engine = new Engine(facts);
const entries: Entry[] = [];
const list = new List(select, remove);
const result = new ResultView(facts);
let selected: Entry | null = null;
let running: Entry | null = null;
let ready = false;

function add(files: Iterable<File>): void {
  let first: Entry | null = null;
  for (const file of files) {
    const entry: Entry = { file, state: { kind: "waiting" } };
    entries.push(entry);
    list.add(entry);
    first ??= entry;
  }
  if (first !== null) select(first);
  void work();
}

function remove(entry: Entry): void {
  entries.splice(entries.indexOf(entry), 1);
  list.drop(entry);
  if (entry === running) engine.stop();
  if (entry === selected) select(entries.at(-1) ?? null);
  refresh();
}

function select(entry: Entry | null): void {
  selected = entry;
  list.mark(entry);
  result.show(entry);
  refresh();
}

/** Predict what waits, one after the other. */
async function work(): Promise<void> {
  if (running !== null) return;
  for (let next = waiting(); next !== undefined; next = waiting()) {
    running = next;
    const entry = next;
    entry.state = { kind: "running", share: 0, since: performance.now() };
    changed(entry);
    try {
      const done = await engine.predict(entry.file, (share) => {
        ready = true;
        const since = share === 0 || entry.state.kind !== "running" ? performance.now() : entry.state.since;
        entry.state = { kind: "running", share, since };
        changed(entry);
      });
      const countable = facts.background && facts.classes.length === 2;
      entry.state = { kind: "done", done, objects: countable ? connected(done.labels, done.width, 1).count : null };
    } catch (error) {
      entry.state = { kind: "fault", parts: partsOf(error, "The prediction failed") };
    }
    running = null;
    changed(entry);
    if (entry === selected) result.show(entry);
  }
}

function waiting(): Entry | undefined {
  return entries.find((entry) => entry.state.kind === "waiting");
}

function changed(entry: Entry): void {
  list.update(entry);
  refresh();
}

/** Bring what stands around the picture up to date. */
function refresh(): void {
  const state = selected?.state;
  part("main", HTMLElement).classList.toggle("empty", selected === null);
  part("stage", HTMLElement).hidden = selected === null;
  part("busy", HTMLElement).hidden = state?.kind !== "waiting" && state?.kind !== "running";
  part("fault", HTMLElement).hidden = state?.kind !== "fault";
  part("title", HTMLElement).textContent = selected?.file.name ?? "";
  part("caption", HTMLElement).textContent = state?.kind === "done" ? caption(state.done) : "";
  part("notes", HTMLElement).textContent = state?.kind === "done" ? notes(state.done).join(" · ") : "";
  part("all", HTMLButtonElement).hidden = entries.filter((entry) => entry.state.kind === "done").length < 2;
  if (selected !== null) part("doing", HTMLElement).textContent = doing(selected, ready);
  const bar = part("progress", HTMLProgressElement);
  if (state?.kind === "running" && state.share > 0) bar.value = state.share;
  else bar.removeAttribute("value");
  if (state?.kind === "fault") part("fault", HTMLElement).replaceChildren(...faultLines(state.parts));
}

function faultLines({ what, found, expected, mend }: FaultParts): HTMLElement[] {
  const lines = [make("strong", { textContent: what })];
  const rows = Object.entries({ Found: found, Expected: expected, "To mend it": mend });
  for (const [name, text] of rows)
    if (text !== undefined) lines.push(make("p", {}, make("b", { textContent: `${name}: ` }), text));
  return what === STOPPED ? lines.slice(0, 1) : lines;
}

function listen(): void {
  const picker = part("picker", HTMLInputElement);
  picker.addEventListener("change", () => {
    add(picker.files ?? []);
    picker.value = "";
  });
  part("stop", HTMLButtonElement).addEventListener("click", () => {
    if (selected === running) engine.stop();
    else if (selected !== null) remove(selected);
  });
  part("all", HTMLButtonElement).addEventListener("click", () => void saveAll());
  const over = (on: boolean) => document.body.classList.toggle("over", on);
  for (const kind of ["dragenter", "dragover"] as const) {
    window.addEventListener(kind, (event) => {
      event.preventDefault();
      over(true);
    });
  }
  window.addEventListener("dragleave", (event) => event.relatedTarget === null && over(false));
  window.addEventListener("drop", (event) => {
    event.preventDefault();
    over(false);
    add(event.dataTransfer?.files ?? []);
  });
}

async function saveAll(): Promise<void> {
  for (const entry of entries) if (entry.state.kind === "done") await result.saveOne(entry, entry.state.done, "mask");
}

const ENCODINGS: Record<MaskFacts["kind"], string> = {
  numbers: "The mask holds the numbers of the training masks",
  palette: "The mask holds the numbers and colours of the training masks",
  colours: "The mask holds the colours of the training masks",
  objects: "The mask numbers the connected regions: objects that touch share a number",
};

function introduce({ name, model, version, score, classes, channels, mask, tiles, augmented, origin }: Facts): void {
  const taken =
    channels.length === 1 ? "grey images" : channels.length === 3 ? "colour images" : `${channels.length} channels`;
  part("name", HTMLElement).textContent = name;
  part("subtitle", HTMLElement).textContent = `${model} for ${taken}: ${classes.map((one) => one.name).join(", ")}`;
  part("takes", HTMLElement).textContent = READS;
  const values = "values" in mask ? `: ${classes.map((one, i) => `${one.name} ${mask.values[i]}`).join(", ")}` : "";
  part("encoding", HTMLElement).textContent = `${ENCODINGS[mask.kind]}${values}.`;
  const large = tiles.exact
    ? "Cut into tiles that give what one pass would give."
    : "Overlapping windows are averaged, as unetkit predict does.";
  const rows: [string, string][] = [
    ["Validation", score || "No score came with the model."],
    ["Held against the original", `The model in this page gave the same probabilities as in PyTorch on ${origin}.`],
    ["Large images", large],
    ...(augmented ? ([["Flipped views", "Left out; unetkit predict averages them."]] as [string, string][]) : []),
  ];
  part("about", HTMLElement).append(...rows.map(term));
  part("facts", HTMLElement).append(...Object.entries(facts.facts).map(term));
  part("made", HTMLElement).textContent = `Made with unetkit ${version}.`;
}

function term([name, text]: [string, string]): HTMLElement {
  return make("div", {}, make("dt", { textContent: name }), make("dd", { textContent: text }));
}

introduce(facts);
listen();
