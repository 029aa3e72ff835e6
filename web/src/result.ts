/** The picture of one result, its numbers, and what can be saved of it. */

import { make, part, save, swatch } from "./dom";
import { type Entry, duration, stem } from "./entry";
import type { Facts } from "./facts";
import { maskOf } from "./mask";
import type { Done } from "./messages";
import { paintLabels, paintProbability, shareColour, shares } from "./paint";
import { encodePng } from "./png";
import { type Layer, Viewer, canvasOf, flatten } from "./viewer";

type View = "overlay" | "image" | "probability";
type Product = "mask" | "overlay" | "probability";

export class ResultView {
  private readonly viewer = new Viewer(part("canvas", HTMLCanvasElement));
  private readonly opacity = part("opacity", HTMLInputElement);
  private readonly chosenClass = part("class", HTMLSelectElement);
  private readonly ticks: HTMLInputElement[] = [];
  private readonly cells: HTMLElement[] = [];
  private shown: { entry: Entry; done: Done } | null = null;
  private picture: HTMLCanvasElement | null = null;

  constructor(private readonly facts: Facts) {
    this.fillClasses();
    this.opacity.addEventListener("input", () => this.draw());
    this.chosenClass.addEventListener("change", () => this.draw());
    for (const radio of document.querySelectorAll("input[name=view]"))
      radio.addEventListener("change", () => this.draw());
    part("nearer", HTMLButtonElement).addEventListener("click", () => this.viewer.zoom(1.5));
    part("further", HTMLButtonElement).addEventListener("click", () => this.viewer.zoom(1 / 1.5));
    part("fit", HTMLButtonElement).addEventListener("click", () => this.viewer.fit());
    for (const button of document.querySelectorAll<HTMLButtonElement>("[data-save]")) {
      button.addEventListener("click", () => {
        if (this.shown !== null)
          void this.saveOne(this.shown.entry, this.shown.done, button.dataset["save"] as Product);
      });
    }
    const legend = Array.from({ length: 11 }, (_, i) => `rgb(${shareColour(i / 10).join(" ")})`).join(", ");
    part("legend", HTMLElement).querySelector("i")!.style.background = `linear-gradient(to right, ${legend})`;
  }

  /** Show a result, or nothing. */
  show(entry: Entry | null): void {
    const state = entry?.state;
    this.shown = entry !== null && state?.kind === "done" ? { entry, done: state.done } : null;
    this.picture = null;
    part("panel", HTMLElement).hidden = part("zoom", HTMLElement).hidden = this.shown === null;
    this.fillNumbers(state?.kind === "done" ? state.objects : null);
    this.draw(true);
  }

  async saveOne(entry: Entry, done: Done, product: Product): Promise<void> {
    const size = { width: done.width, height: done.height };
    if (product === "mask") {
      save(await encodePng(maskOf(done.labels, done.width, this.facts)), `${stem(entry)}_mask.png`);
    } else if (product === "probability") {
      const number = Number(this.chosenClass.value);
      const name = this.facts.classes[number]!.name.replace(/[^\p{L}\p{N}_-]+/gu, "-");
      save(
        await encodePng({ ...size, samples: probabilityOf(done, number) }),
        `${stem(entry)}_probability_${name}.png`,
      );
    } else {
      const canvas = flatten(this.overlay(done));
      canvas.toBlob((blob) => blob && save(blob, `${stem(entry)}_overlay.png`), "image/png");
    }
  }

  private fillClasses(): void {
    const { classes, background } = this.facts;
    const body = part("classes", HTMLTableSectionElement);
    classes.forEach(({ name, colour }, number) => {
      const tick = make("input", {
        type: "checkbox",
        checked: !(background && number === 0),
        ariaLabel: `Show ${name}`,
      });
      tick.addEventListener("change", () => this.draw());
      const share = make("td", { className: "share" });
      const label = make("label", {}, tick, swatch(colour), make("span", { textContent: name }));
      body.append(make("tr", {}, make("th", { scope: "row" }, label), share));
      this.chosenClass.append(make("option", { value: String(number), textContent: name }));
      this.ticks.push(tick);
      this.cells.push(share);
    });
    this.chosenClass.value = background ? "1" : "0";
  }

  private fillNumbers(objects: number | null): void {
    if (this.shown === null) return;
    const { done } = this.shown;
    shares(done.labels, this.facts.classes.length).forEach((share, i) => {
      this.cells[i]!.textContent = `${(100 * share).toFixed(share < 0.1 ? 2 : 1)} %`;
    });
    const name = this.facts.classes[1]?.name;
    part("objects", HTMLElement).textContent =
      objects === null ? "" : `${objects} connected ${objects === 1 ? "region" : "regions"} of “${name}”`;
  }

  private overlay(done: Done): Layer[] {
    const labels = paintLabels(
      done.labels,
      done,
      this.facts.classes,
      this.ticks.map((tick) => tick.checked),
    );
    return [
      { canvas: this.base(done), opacity: 1 },
      { canvas: canvasOf(labels), opacity: Number(this.opacity.value) / 100 },
    ];
  }

  private base(done: Done): HTMLCanvasElement {
    this.picture ??= canvasOf(new ImageData(done.picture, done.width, done.height));
    return this.picture;
  }

  private draw(anew = false): void {
    const view = document.querySelector<HTMLInputElement>("input[name=view]:checked")?.value as View;
    part("percent", HTMLOutputElement).value = `${this.opacity.value} %`;
    part("strength", HTMLElement).hidden = view !== "overlay";
    part("which", HTMLElement).hidden = view !== "probability";
    part("legend", HTMLElement).hidden = view !== "probability" || this.shown === null;
    if (this.shown === null) return this.viewer.show([], anew);
    const { done } = this.shown;
    if (view === "overlay") this.viewer.show(this.overlay(done), anew);
    else if (view === "image") this.viewer.show([{ canvas: this.base(done), opacity: 1 }], anew);
    else {
      const bytes = probabilityOf(done, Number(this.chosenClass.value));
      this.viewer.show([{ canvas: canvasOf(paintProbability(bytes, done)), opacity: 1 }], anew);
    }
  }
}

function probabilityOf(done: Done, number: number): Uint8Array {
  const pixels = done.width * done.height;
  return done.probabilities.subarray(number * pixels, (number + 1) * pixels);
}

/** What there is to know of a result, in a line. */
export function caption(done: Done): string {
  const channels = done.channels === 1 ? "grey" : done.channels === 3 ? "RGB" : `${done.channels} channels`;
  const parts = done.parts === 1 ? "one pass" : `${done.parts} tiles`;
  return `${done.width} × ${done.height} · ${done.type} ${channels} · ${duration(done.seconds)} in ${parts}`;
}

/** What the user should know of a result. */
export function notes(done: Done): string[] {
  const inexact =
    "This model cannot be cut into tiles without changing its result a little: overlapping windows were averaged.";
  return done.exact ? done.notes : [...done.notes, inexact];
}
