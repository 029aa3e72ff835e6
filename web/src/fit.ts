/** An image as the model takes it, and as one can look at it. */

import { Fault } from "./fault";
import type { Picture, Pixels } from "./picture";

/** A grey image for a model of colour images gets three equal channels, and says so; anything else must fit. */
export function fitted(image: Picture, channels: readonly string[]): Picture {
  for (const value of image.values) {
    if (!Number.isFinite(value))
      throw new Fault({ what: "The image holds NaN or infinite pixels", mend: "replace them" });
  }
  if (image.channels === channels.length) return image;
  if (image.channels === 1 && channels.length === 3) {
    const size = image.values.length;
    const values = new Float32Array(3 * size);
    for (let channel = 0; channel < 3; channel++) values.set(image.values, channel * size);
    return { ...image, channels: 3, values, notes: [...image.notes, "grey repeated as red, green, blue"] };
  }
  throw new Fault({
    what: "The image has the wrong number of channels for this model",
    found: named(image.channels),
    expected: `${named(channels.length)}: ${channels.join(", ")}`,
    mend: "give images like those the model was trained on",
  });
}

function named(channels: number): string {
  if (channels === 1) return "1 channel";
  return channels === 3 ? "3 channels, as of a colour image" : `${channels} channels`;
}

const SAMPLED = 200_000;

/** RGBA for the eye: the 0.5th to 99.5th percentile from black to white; jointly for RGB, else channel by channel. */
export function visible(image: Pixels): Uint8ClampedArray<ArrayBuffer> {
  const pixels = image.width * image.height;
  const bands = Array.from({ length: image.channels }, (_, i) => image.values.subarray(i * pixels, (i + 1) * pixels));
  const joint = image.channels === 3 ? limits(image.values) : null;
  const ranges = bands.map((band) => joint ?? limits(band));
  // two channels are shown as green and magenta; of more than three, the first three
  const shown = image.channels === 1 ? [0, 0, 0] : image.channels === 2 ? [1, 0, 1] : [0, 1, 2];
  const out = new Uint8ClampedArray(4 * pixels).fill(255);
  shown.forEach((channel, part) => {
    const [low, high] = ranges[channel]!;
    const scale = 255 / (high - low || 1);
    const band = bands[channel]!;
    for (let i = 0; i < pixels; i++) out[4 * i + part] = (band[i]! - low) * scale;
  });
  return out;
}

function limits(values: Float32Array): [number, number] {
  const step = Math.max(1, Math.floor(values.length / SAMPLED));
  const sample = new Float32Array(Math.ceil(values.length / step));
  for (let i = 0; i < sample.length; i++) sample[i] = values[i * step]!;
  sample.sort();
  const at = (share: number) => sample[Math.round(share * (sample.length - 1))]!;
  const [low, high] = [at(0.005), at(0.995)];
  return high > low ? [low, high] : [sample[0]!, sample.at(-1)!]; // nearly all alike: the few others decide
}
