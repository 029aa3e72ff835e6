/** The list of images. */

import { make, part } from "./dom";
import { type Entry, saying } from "./entry";

export class List {
  private readonly root = part("list", HTMLUListElement);
  private readonly rows = new Map<Entry, { row: HTMLLIElement; status: HTMLElement; select: HTMLButtonElement }>();

  constructor(
    private readonly select: (entry: Entry) => void,
    private readonly remove: (entry: Entry) => void,
  ) {}

  add(entry: Entry): void {
    const status = make("small");
    const { name } = entry.file;
    const select = make(
      "button",
      { type: "button", className: "pick" },
      make("span", { textContent: name, title: name }),
      status,
    );
    const remove = make("button", {
      type: "button",
      className: "remove",
      textContent: "×",
      ariaLabel: `Remove ${name}`,
    });
    select.addEventListener("click", () => this.select(entry));
    remove.addEventListener("click", () => this.remove(entry));
    const row = make("li", {}, select, remove);
    this.rows.set(entry, { row, status, select });
    this.root.append(row);
    this.update(entry);
  }

  update(entry: Entry): void {
    const parts = this.rows.get(entry);
    if (parts === undefined) return;
    parts.status.textContent = saying(entry);
    parts.row.dataset["state"] = entry.state.kind;
    parts.row.style.setProperty("--share", String(entry.state.kind === "running" ? entry.state.share : 0));
  }

  drop(entry: Entry): void {
    this.rows.get(entry)?.row.remove();
    this.rows.delete(entry);
  }

  mark(selected: Entry | null): void {
    for (const [entry, { select }] of this.rows) {
      if (entry === selected) select.setAttribute("aria-current", "true");
      else select.removeAttribute("aria-current");
    }
  }
}
