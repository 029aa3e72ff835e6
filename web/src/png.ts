/** PNG without loss: grey of 8 or 16 bits, RGB, and palettes. Source: PNG specification, third edition (W3C 2025). */

import type { Colour } from "./facts";

export interface Bitmap {
  width: number;
  height: number;
  /** H W for grey and palettes, H W 3 for RGB. */
  samples: Uint8Array | Uint16Array;
  palette?: readonly Colour[];
}

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const GREY = 0;
const RGB = 2;
const PALETTE = 3;

export async function encodePng(bitmap: Bitmap): Promise<Blob> {
  const { width, height, samples, palette } = bitmap;
  const channels = samples.length / (width * height);
  const bytes = samples.BYTES_PER_ELEMENT;
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, 8 * bytes);
  header.setUint8(9, palette ? PALETTE : channels === 3 ? RGB : GREY);
  const parts = [
    Uint8Array.from(SIGNATURE),
    chunk("IHDR", new Uint8Array(header.buffer)),
    ...(palette ? [chunk("PLTE", Uint8Array.from(palette.flat()))] : []),
    chunk("IDAT", await deflate(rows(samples, width * channels, height))),
    chunk("IEND", new Uint8Array()),
  ];
  return new Blob(parts, { type: "image/png" });
}

/** The samples, most significant byte first, each row after a byte that says "not filtered". */
function rows(samples: Uint8Array | Uint16Array, across: number, height: number): Uint8Array<ArrayBuffer> {
  const bytes = samples.BYTES_PER_ELEMENT;
  const out = new Uint8Array(height * (across * bytes + 1));
  for (let row = 0, at = 0, from = 0; row < height; row++) {
    at++;
    for (const end = from + across; from < end; from++) {
      if (bytes === 2) out[at++] = samples[from]! >> 8;
      out[at++] = samples[from]! & 255;
    }
  }
  return out;
}

async function deflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const packed = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

function chunk(kind: string, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(12 + data.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, data.length);
  for (let i = 0; i < 4; i++) out[4 + i] = kind.charCodeAt(i);
  out.set(data, 8);
  view.setUint32(8 + data.length, checksum(out.subarray(4, 8 + data.length)));
  return out;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

function checksum(bytes: Uint8Array): number {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = TABLE[(sum ^ byte) & 255]! ^ (sum >>> 8);
  return ~sum >>> 0;
}
