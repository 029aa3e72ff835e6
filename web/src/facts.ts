/** What stands in the page about the model; written by src/unetkit/export/html.py. */

export type Colour = readonly [number, number, number];

export interface ClassFacts {
  name: string;
  colour: Colour;
}

/** How the run's mask files hold a class. */
export type MaskFacts =
  { kind: "numbers" | "palette"; values: number[]; bits: 8 | 16 } | { kind: "colours" } | { kind: "objects" };

/** How large images are cut; all numbers in pixels. */
export interface TileFacts {
  /** Whether tiles give what one pass would give. */
  exact: boolean;
  grid: number;
  halo: number;
  /** Images of at most so many pixels go through in one pass. */
  whole: number;
  side: number;
  overlap: number;
}

export interface Facts {
  name: string;
  model: string;
  version: string;
  score: string;
  origin: string;
  channels: string[];
  classes: ClassFacts[];
  /** Whether class 0 is what is left where nothing is. */
  background: boolean;
  mask: MaskFacts;
  augmented: boolean;
  tiles: TileFacts;
  facts: Record<string, string>;
}

/** The text of a block of the page. */
export function block(id: string): string {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no part called ${id}`);
  return element.textContent;
}

/** The bytes of a block that holds a gzipped file in base64. */
export async function unpack(id: string): Promise<ArrayBuffer> {
  const text = atob(block(id));
  const packed = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i);
  const plain = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(plain).arrayBuffer();
}
