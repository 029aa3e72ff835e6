/**
 * From a file to the numbers that stand in it, as `unetkit predict` reads them.
 *
 * PNG and TIFF are decoded here, for a browser would turn them to 8 bits and other colours. JPEG and BMP have 8 bits, and
 * the browser decodes them, told to leave colours alone.
 */

import { Fault } from "./fault";
import { type Picture, READS, damaged, planes, requireSize } from "./picture";
import { readPng } from "./read-png";
import { isTiff, readTiff } from "./read-tiff";

export async function readPicture(file: Blob): Promise<Picture> {
  const content = await file.arrayBuffer();
  const bytes = new Uint8Array(content);
  if (starts(bytes, [0x89, 0x50, 0x4e, 0x47])) return readPng(bytes);
  if (isTiff(bytes)) return readTiff(content);
  if (starts(bytes, [0xff, 0xd8, 0xff])) return readJpeg(file, bytes);
  if (starts(bytes, [0x42, 0x4d])) return readBmp(file, new DataView(content));
  throw new Fault({
    what: bytes.length === 0 ? "The file is empty" : "This is no image that the page can read",
    expected: READS,
    mend: "save it in one of these formats, or use unetkit predict, which reads more",
  });
}

function starts(bytes: Uint8Array, head: number[]): boolean {
  return head.every((value, i) => bytes[i] === value);
}

/** As many channels as the frame says; the end marker has to be there, else a browser fills in grey. */
async function readJpeg(file: Blob, bytes: Uint8Array): Promise<Picture> {
  const frame = jpegFrame(bytes);
  if (frame === null || !endsWell(bytes, frame.at)) throw damaged("a part of it is missing");
  if (frame.channels !== 1 && frame.channels !== 3) {
    throw new Fault({
      what: "The image is stored in inks",
      found: `${frame.channels} channels`,
      expected: "grey or RGB",
      mend: "save it as RGB, or use unetkit predict",
    });
  }
  requireSize(frame.width, frame.height, frame.channels);
  return decode(file, frame.channels);
}

interface Frame {
  channels: number;
  height: number;
  width: number;
  /** Where it stands. */
  at: number;
}

/** The header of the frame. Source: ITU-T T.81, annex B. */
function jpegFrame(bytes: Uint8Array): Frame | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 2;
  while (at + 10 < bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1]!;
    if (marker === 0xff) at += 1;
    else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      return { height: view.getUint16(at + 5), width: view.getUint16(at + 7), channels: bytes[at + 9]!, at };
    } else at += 2 + view.getUint16(at + 2);
  }
  return null;
}

function endsWell(bytes: Uint8Array, from: number): boolean {
  for (let i = bytes.length - 2; i > from; i--) if (bytes[i] === 0xff && bytes[i + 1] === 0xd9) return true;
  return false;
}

async function readBmp(file: Blob, view: DataView): Promise<Picture> {
  if (view.byteLength < 54) throw damaged("a part of it is missing");
  requireSize(Math.abs(view.getInt32(18, true)), Math.abs(view.getInt32(22, true)), 3);
  return decode(file, isGreyBmp(view) ? 1 : 3);
}

/** Whether the palette is a ramp from black to white, so that the file is a grey image. */
function isGreyBmp(view: DataView): boolean {
  const bits = view.getUint16(28, true);
  if (bits > 8) return false;
  const colours = view.getUint32(46, true) || 2 ** bits;
  const start = 14 + view.getUint32(14, true);
  for (let i = 0; i < colours && start + 4 * i + 3 < view.byteLength; i++) {
    const wanted = colours === 2 ? 255 * i : i;
    for (let part = 0; part < 3; part++) if (view.getUint8(start + 4 * i + part) !== wanted) return false;
  }
  return true;
}

/** Let the browser decode an image of 8 bits, without changing colours, turned as EXIF says. */
async function decode(file: Blob, channels: number): Promise<Picture> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch {
    throw damaged("the browser cannot decode it");
  }
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (context === null) throw new Error("the browser gives no canvas");
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  return { ...planes(data, { width, height }, channels, 4), type: "8-bit", notes: [] };
}
