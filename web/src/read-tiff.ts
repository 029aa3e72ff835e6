/** TIFF: 8 to 64 bits, any number of channels, in strips or tiles. */

import { type GeoTIFF, type GeoTIFFImage, fromArrayBuffer } from "geotiff";

import { Fault, wordsOf } from "./fault";
import { type Picture, damaged, requireSize } from "./picture";

const GREY = [0, 1];
const RGB = 2;
const PALETTE = 3;
const COMPRESSIONS = [1, 5, 8, 32773, 32946];
const ALPHA = [1, 2];
const REDUCED = 1;
const TYPES = ["", "", "signed ", "float "];

export function isTiff(bytes: Uint8Array): boolean {
  const [first, second] = [bytes[0], bytes[1]];
  const number = first === 0x49 ? bytes[2] : bytes[3];
  return first === second && (first === 0x49 || first === 0x4d) && (number === 42 || number === 43);
}

export async function readTiff(content: ArrayBuffer): Promise<Picture> {
  try {
    const tiff = await fromArrayBuffer(content);
    const pages = await imagesOf(tiff);
    const first = pages[0];
    if (first === undefined) throw damaged("it holds no image");
    requireSize(first.getWidth(), first.getHeight(), first.getSamplesPerPixel() * pages.length);
    await requireReadable(first);
    await requireOneImage(first, pages.length);
    const parts = [];
    for (const page of pages) parts.push(...(await bandsOf(page)));
    return assembled(parts, first, parts.length);
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw damaged(wordsOf(error));
  }
}

/** The images, without those that are small copies of others. */
async function imagesOf(tiff: GeoTIFF): Promise<GeoTIFFImage[]> {
  const all = [];
  for (let i = 0; i < (await tiff.getImageCount()); i++) all.push(await tiff.getImage(i));
  return all.filter((image) => (Number(image.fileDirectory.getValue("NewSubfileType") ?? 0) & REDUCED) === 0);
}

function unsupported(what: string, found: string, expected: string): Fault {
  return new Fault({ what, found, expected, mend: "save it so, or use unetkit predict, which reads more" });
}

async function requireReadable(image: GeoTIFFImage): Promise<void> {
  const tag = (name: "Compression" | "PhotometricInterpretation") => Number(image.fileDirectory.getValue(name) ?? 1);
  const turned = image.fileDirectory.hasTag("Orientation")
    ? Number(await image.fileDirectory.loadValue("Orientation"))
    : 1;
  if (!COMPRESSIONS.includes(tag("Compression"))) {
    throw unsupported(
      "The compression is not supported",
      `number ${tag("Compression")}`,
      "none, LZW, deflate or PackBits",
    );
  }
  const photometric = tag("PhotometricInterpretation");
  if (!GREY.includes(photometric) && photometric !== RGB && photometric !== PALETTE) {
    throw unsupported("The colours are stored in a way that is not supported", `number ${photometric}`, "grey or RGB");
  }
  if (turned !== 1 && image.getGeoKeys() === null) {
    throw unsupported("The image is stored turned", `orientation ${turned}`, "an upright one");
  }
  if (![8, 16, 32, 64].includes(image.getBitsPerSample())) {
    throw unsupported("The numbers have an unusual size", `${image.getBitsPerSample()} bits`, "8, 16, 32 or 64 bits");
  }
  if (image.getGDALNoData() !== null) {
    const found = `the number ${image.getGDALNoData()} stands for no data`;
    throw new Fault({
      what: "The image has pixels without data",
      found,
      mend: "use unetkit predict, which leaves them out",
    });
  }
}

/** Several pages are the channels of one image only where ImageJ's or OME's description says so. */
async function requireOneImage(first: GeoTIFFImage, pages: number): Promise<void> {
  const said = String(
    first.fileDirectory.hasTag("ImageDescription") ? await first.fileDirectory.loadValue("ImageDescription") : "",
  );
  const number = (pattern: RegExp) => Number(pattern.exec(said)?.[1] ?? 0);
  const channels = number(/^channels=(\d+)/m) || number(/SizeC="(\d+)"/);
  const images = Math.max(pages, said.startsWith("ImageJ=") ? number(/^images=(\d+)/m) : 1);
  if (images > 1 && !(images === pages && images === channels)) {
    throw unsupported("The file holds more than one image", `${images} pages`, "one image");
  }
}

type Band = ArrayLike<number>;

/** The channels of a page, without alpha; palettes as RGB. */
async function bandsOf(image: GeoTIFFImage): Promise<Band[]> {
  const bands = (await image.readRasters({ interleave: false })) as unknown as Band[];
  const extra = Array.from((image.fileDirectory.getValue("ExtraSamples") as ArrayLike<number> | undefined) ?? []);
  const first = image.getSamplesPerPixel() - extra.length;
  const kept = Array.from(bands).filter((_, i) => i < first || !ALPHA.includes(extra[i - first]!));
  if (image.fileDirectory.getValue("PhotometricInterpretation") !== PALETTE) return kept;
  const colours = Array.from((await image.fileDirectory.loadValue("ColorMap")) as ArrayLike<number>);
  const entries = colours.length / 3;
  const shift = Math.max(...colours) > 255 ? 8 : 0; // some writers store 8 bits
  return [0, 1, 2].map((part) => Array.from(kept[0]!, (index) => colours[part * entries + index]! >> shift));
}

function assembled(bands: Band[], image: GeoTIFFImage, channels: number): Picture {
  const [width, height] = [image.getWidth(), image.getHeight()];
  const values = new Float32Array(channels * width * height);
  bands.forEach((band, i) => {
    if (band.length !== width * height) throw damaged("its pages differ in size");
    values.set(band, i * width * height);
  });
  const type = `${TYPES[image.getSampleFormat()] ?? ""}${image.getBitsPerSample()}-bit`;
  return { channels, width, height, values, type, notes: [] };
}
