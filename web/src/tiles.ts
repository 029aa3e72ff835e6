/**
 * Tiles: an image too large for one pass, cut so that the pieces fit together again.
 *
 * The same as unetkit.prediction.tiles (with no least size) and unetkit.prediction.blend, in two dimensions.
 */

/** From and to, the latter outside. */
export interface Span {
  start: number;
  stop: number;
}

export interface Tile {
  /** What the network sees, halo included. */
  read: [Span, Span];
  /** What the tile owns. */
  write: [Span, Span];
}

export function length(span: Span): number {
  return span.stop - span.start;
}

function upTo(value: number, grid: number): number {
  return Math.ceil(value / grid) * grid;
}

/**
 * Tiles that start on the pooling grid and are read with a halo as wide as the receptive field: then every pixel sees
 * what it would have seen in one pass, and belongs to one tile.
 */
export function exactTiles(shape: readonly [number, number], side: number, halo: number, grid: number): Tile[] {
  const own = upTo(side, grid);
  const around = upTo(halo, grid);
  const along = (extent: number) =>
    Array.from({ length: Math.ceil(extent / own) }, (_, i) => {
      const write = { start: i * own, stop: Math.min((i + 1) * own, extent) };
      const read = { start: Math.max(write.start - around, 0), stop: Math.min(write.stop + around, extent) };
      return { read, write };
    });
  const columns = along(shape[1]);
  return along(shape[0]).flatMap((row) =>
    columns.map((column) => ({ read: [row.read, column.read], write: [row.write, column.write] }) satisfies Tile),
  );
}

/** Windows that cover one axis, each overlapping the next; all begin on the grid. */
export function overlapping(extent: number, side: number, overlap: number, grid: number): Span[] {
  if (extent <= side) return [{ start: 0, stop: extent }];
  const last = upTo(extent - side, grid);
  const starts = [];
  for (let start = 0; start < last; start += side - overlap) starts.push(start);
  return [...starts, last].map((start) => ({ start, stop: Math.min(start + side, extent) }));
}

/** Weights of a window's pixels along one axis: a Gaussian of an eighth of its length. */
export function gaussian(size: number): Float32Array {
  return Float32Array.from({ length: size }, (_, i) => Math.exp(-0.5 * (((i + 0.5) / size - 0.5) / 0.125) ** 2));
}

/** No weight is less, so that every pixel counts somewhere. */
export const LEAST_WEIGHT = 1e-3;
