/** An image in memory, and how large one may be. */

import { Fault } from "./fault";

export interface Pixels {
  channels: number;
  height: number;
  width: number;
  /** C H W, the file's own numbers. */
  values: Float32Array;
}

export interface Picture extends Pixels {
  /** Of the numbers, in words: "8-bit". */
  type: string;
  /** What reading changed or left out. */
  notes: string[];
}

/** A page has 4 GB, and images about as large as both limits were tried; larger ones are for `unetkit predict`. */
const MOST_PIXELS = 50_000_000;

/** Of the image over all channels, and of its result over all classes. */
const MOST_NUMBERS = 100_000_000;

export const READS = "PNG, TIFF, JPEG or BMP";

/** Refuse what would not fit into the memory that a page has. */
export function requireSize(width: number, height: number, layers: number): void {
  if (!(width > 0 && height > 0)) throw new Fault({ what: "The image has no pixels" });
  const most = Math.min(MOST_PIXELS, MOST_NUMBERS / layers);
  if (width * height > most) {
    throw new Fault({
      what: "The image is too large for a browser",
      found: `${width} × ${height} pixels`,
      expected: `at most ${Math.floor(most / 1e6)} million, for ${layers} channels or classes`,
      mend: "use unetkit predict, which has no limit",
    });
  }
}

/** Channel after channel, from samples that stand pixel by pixel; further ones of a pixel are left out. */
export function planes(
  samples: ArrayLike<number>,
  size: { width: number; height: number },
  channels: number,
  stored: number,
): Pixels {
  const pixels = size.width * size.height;
  const values = new Float32Array(channels * pixels);
  for (let channel = 0, to = 0; channel < channels; channel++) {
    for (let from = channel; to < (channel + 1) * pixels; from += stored, to++) values[to] = samples[from]!;
  }
  return { channels, height: size.height, width: size.width, values };
}

export function damaged(found: string): Fault {
  return new Fault({ what: "The file is damaged", found, mend: "copy or export it anew" });
}
