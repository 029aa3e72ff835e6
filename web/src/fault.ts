/** What went wrong, in the parts that unetkit's errors have. */

export interface FaultParts {
  what: string;
  found?: string;
  expected?: string;
  mend?: string;
}

export class Fault extends Error {
  constructor(readonly parts: FaultParts) {
    super(parts.what);
  }
}

/** Any error as parts; those nobody raised on purpose keep their own words as what was found. */
export function partsOf(error: unknown, otherwise: string): FaultParts {
  if (error instanceof Fault) return error.parts;
  const words = error instanceof Error ? error.message : String(error);
  return { what: otherwise, found: words.slice(0, 200) };
}
