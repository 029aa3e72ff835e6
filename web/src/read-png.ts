/** PNG of any depth, with the numbers that stand in it. */

import { type DecodedPng, decode } from "fast-png";

import { wordsOf } from "./fault";
import { type Picture, damaged, planes, requireSize } from "./picture";

export function readPng(bytes: Uint8Array): Picture {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 33) throw damaged("a part of it is missing");
  requireSize(view.getUint32(16), view.getUint32(20), 3);
  const turned = orientation(view);
  if (turned !== 1) throw damaged(`a note says that it is to be turned (EXIF orientation ${turned}): save it upright`);
  let png: DecodedPng;
  try {
    png = decode(bytes, { checkCrc: true });
  } catch (error) {
    throw damaged(wordsOf(error));
  }
  const { depth, palette } = png;
  const samples = depth < 8 ? unpackBits(png) : png.data;
  if (palette) return { ...expanded(samples, png), type: "8-bit", notes: ["palette expanded to RGB"] };
  const channels = png.channels > 2 ? 3 : 1;
  const image = planes(samples, png, channels, png.channels);
  if (depth < 8) image.values.forEach((value, i) => (image.values[i] = (value * 255) / (2 ** depth - 1)));
  const notes = channels < png.channels ? ["transparency dropped"] : [];
  return { ...image, type: `${depth}-bit`, notes };
}

/** One number a byte, from rows in which several share one. */
function unpackBits(png: DecodedPng): Uint8Array {
  const { width, height, depth, data } = png;
  const across = Math.ceil((width * depth) / 8);
  const out = new Uint8Array(width * height);
  for (let i = 0; i < out.length; i++) {
    const bit = (i % width) * depth;
    const byte = data[Math.floor(i / width) * across + (bit >> 3)]!;
    out[i] = (byte >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
  }
  return out;
}

function expanded(indices: ArrayLike<number>, png: DecodedPng) {
  const { palette, width, height } = png;
  const colours = new Uint8Array(3 * width * height);
  for (let i = 0; i < width * height; i++) {
    const colour = palette?.[indices[i]!];
    if (colour === undefined) throw damaged(`palette index ${indices[i]} has no colour`);
    colours.set(colour.slice(0, 3), 3 * i);
  }
  return planes(colours, { width, height }, 3, 3);
}

/** What EXIF says of how the camera was held; 1 is upright. Source: CIPA DC-008, tag 274. */
function orientation(png: DataView): number {
  for (let at = 8; at + 12 <= png.byteLength;) {
    const size = png.getUint32(at);
    if (png.getUint32(at + 4) === 0x65584966 && at + 8 + size <= png.byteLength) {
      return exifOrientation(new DataView(png.buffer, png.byteOffset + at + 8, size));
    }
    at += 12 + size;
  }
  return 1;
}

function exifOrientation(exif: DataView): number {
  if (exif.byteLength < 14) return 1;
  const little = exif.getUint16(0) === 0x4949;
  const start = exif.getUint32(4, little);
  if (start + 2 > exif.byteLength) return 1;
  const entries = exif.getUint16(start, little);
  for (let i = 0, at = start + 2; i < entries && at + 12 <= exif.byteLength; i++, at += 12) {
    if (exif.getUint16(at, little) === 274) return exif.getUint16(at + 8, little);
  }
  return 1;
}
