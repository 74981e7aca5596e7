import { ConnectorError } from '../error.js';

/** Breaches of the contract between engine and drivers, and of the invariants that a test watches. */
export interface Violations {
  /** Oldest first. */
  readonly found: readonly string[];
  /** Records a breach and returns the error for the one who did it. */
  report(text: string): ConnectorError;
}

/** Makes an empty list. */
export function createViolations(): Violations {
  const found: string[] = [];
  return {
    found,
    report(text) {
      found.push(text);
      return new ConnectorError('internal', `contract broken: ${text}`);
    },
  };
}
