/** Labels and probabilities as pictures. */

import type { ClassFacts, Colour } from "./facts";

const FILL = 116;
const LINE = 255;

/** From 0 to 1: five colours of viridis, evenly spaced, whose lightness alone tells them apart. */
export const SHARE_COLOURS: readonly Colour[] = [
  [68, 1, 84],
  [59, 82, 139],
  [33, 145, 140],
  [94, 201, 98],
  [253, 231, 37],
];

export interface Size {
  width: number;
  height: number;
}

/** The chosen classes in their colours, RGBA: fills that show what is below, opaque along their edges. */
export function paintLabels(
  labels: Uint8Array,
  { width, height }: Size,
  classes: readonly ClassFacts[],
  shown: readonly boolean[],
): ImageData {
  const out = new ImageData(width, height);
  for (let row = 0, i = 0; row < height; row++) {
    for (let column = 0; column < width; column++, i++) {
      const label = labels[i]!;
      if (!shown[label]) continue;
      const edge =
        (column > 0 && labels[i - 1] !== label) ||
        (column + 1 < width && labels[i + 1] !== label) ||
        (row > 0 && labels[i - width] !== label) ||
        (row + 1 < height && labels[i + width] !== label);
      out.data.set(classes[label]!.colour, 4 * i);
      out.data[4 * i + 3] = edge ? LINE : FILL;
    }
  }
  return out;
}

/** One class's probabilities, 0 to 255, as colours. */
export function paintProbability(bytes: Uint8Array, { width, height }: Size): ImageData {
  const table = Array.from({ length: 256 }, (_, value) => shareColour(value / 255));
  const out = new ImageData(width, height);
  for (let i = 0; i < bytes.length; i++) {
    out.data.set(table[bytes[i]!]!, 4 * i);
    out.data[4 * i + 3] = 255;
  }
  return out;
}

/** The colour of a share, 0 to 1. */
export function shareColour(share: number): Colour {
  const place = Math.min(Math.max(share, 0), 1) * (SHARE_COLOURS.length - 1);
  const below = Math.min(Math.floor(place), SHARE_COLOURS.length - 2);
  const [first, second] = [SHARE_COLOURS[below]!, SHARE_COLOURS[below + 1]!];
  const mix = (part: 0 | 1 | 2) => Math.round(first[part] + (second[part] - first[part]) * (place - below));
  return [mix(0), mix(1), mix(2)];
}

/** Which share of the pixels each class has. */
export function shares(labels: Uint8Array, classes: number): number[] {
  const counts = new Array<number>(classes).fill(0);
  for (const label of labels) counts[label]!++;
  return counts.map((count) => count / labels.length);
}
