/** What the page takes. */

/** Larger images are for `unetkit predict`. */
export const MOST_PIXELS = 50_000_000;

export const READS = "PNG, TIFF, JPEG or BMP";
