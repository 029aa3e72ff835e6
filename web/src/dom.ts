/** Parts of the page, found by the name of their data attribute, and small ones made anew. */

export function part<E extends HTMLElement>(name: string, kind: new () => E): E {
  const found = document.querySelector(`[data-${name}]`);
  if (!(found instanceof kind)) throw new Error(`the page has no ${name}`);
  return found;
}

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export function swatch([red, green, blue]: readonly [number, number, number]): HTMLElement {
  const square = make("i", { className: "swatch" });
  square.style.background = `rgb(${red} ${green} ${blue})`;
  return square;
}

/** Hand a file to the user. */
export function save(content: Blob, name: string): void {
  const url = URL.createObjectURL(content);
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
