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

/** What an error says, with what it was caused by. */
export function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const words = error.cause === undefined ? error.message : `${error.message} ${wordsOf(error.cause)}`;
  return words.slice(0, 200);
}

/** Any error as parts; those nobody raised on purpose keep their own words as what was found. */
export function partsOf(error: unknown, otherwise: string): FaultParts {
  if (error instanceof Fault) return error.parts;
  return { what: otherwise, found: wordsOf(error) };
}
