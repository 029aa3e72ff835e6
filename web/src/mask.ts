/** Class numbers as the run's mask files hold them. */

import type { Facts } from "./facts";
import { connected } from "./objects";
import type { Bitmap } from "./png";

export function maskOf(labels: Uint8Array, width: number, facts: Pick<Facts, "mask" | "classes">): Bitmap {
  const height = labels.length / width;
  const { mask, classes } = facts;
  if (mask.kind === "objects") {
    const { ids, count } = connected(labels, width, 1);
    if (count > 0xffff) throw new Error(`${count} objects; a PNG numbers 65535 at most`);
    return { width, height, samples: Uint16Array.from(ids) };
  }
  if (mask.kind === "colours") {
    const samples = new Uint8Array(3 * labels.length);
    for (let i = 0; i < labels.length; i++) samples.set(classes[labels[i]!]!.colour, 3 * i);
    return { width, height, samples };
  }
  const samples = mask.bits === 8 ? new Uint8Array(labels.length) : new Uint16Array(labels.length);
  for (let i = 0; i < labels.length; i++) samples[i] = mask.values[labels[i]!]!;
  if (mask.kind === "numbers") return { width, height, samples };
  const palette = Array.from({ length: Math.max(...mask.values) + 1 }, (_, value) => {
    const number = mask.values.indexOf(value);
    return number < 0 ? ([0, 0, 0] as const) : classes[number]!.colour;
  });
  return { width, height, samples, palette };
}
