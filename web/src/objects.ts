/** Connected regions, numbered in row-major order of their first pixel; neighbours share an edge. */

export interface Objects {
  count: number;
  /** 0 for no object, else 1 … count; H W. */
  ids: Uint32Array;
}

/** The objects of one class of a label map H W. */
export function connected(labels: Uint8Array, width: number, wanted: number): Objects {
  const ids = new Uint32Array(labels.length);
  const parent = [0];
  const root = (id: number): number => {
    while (parent[id] !== id) id = parent[id] = parent[parent[id]!]!;
    return id;
  };
  for (let i = 0; i < labels.length; i++) {
    if (labels[i] !== wanted) continue;
    const above = i >= width ? ids[i - width]! : 0;
    const before = i % width > 0 ? ids[i - 1]! : 0;
    if (above === 0 && before === 0) ids[i] = parent.push(parent.length) - 1;
    else if (above === 0 || before === 0) ids[i] = above + before;
    else {
      const [first, second] = [root(above), root(before)];
      ids[i] = parent[Math.max(first, second)] = Math.min(first, second);
    }
  }
  return { count: renumber(ids, root), ids };
}

/** Give every region one number, without gaps; returns how many there are. */
function renumber(ids: Uint32Array, root: (id: number) => number): number {
  const numbers = new Map<number, number>();
  for (let i = 0; i < ids.length; i++) {
    if (ids[i] === 0) continue;
    const own = root(ids[i]!);
    let number = numbers.get(own);
    if (number === undefined) numbers.set(own, (number = numbers.size + 1));
    ids[i] = number;
  }
  return numbers.size;
}
