import type { ProduceAnswer } from './produce-request.js';

/** What is wrong is in the records, and nothing of the batch is stored. */
const refusals = new Set([
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
  'INVALID_TIMESTAMP',
  'CORRUPT_MESSAGE',
]);

/** Whether a broker that answers so would take the batch with other records. */
export function refusesRecords(type: string | undefined): boolean {
  return type !== undefined && refusals.has(type);
}

/** What becomes of the records of a refused batch. */
export interface RefusedPlaces {
  readonly refused: readonly { readonly place: number; readonly reason: string | null }[];
  /** Places of records to be sent again together, in order. */
  readonly parts: readonly (readonly number[])[];
}

/**
 * Finds the records to blame: those that the broker names, or the only one. A batch that is refused as a whole, mostly for its
 * size, is to be sent in two halves.
 */
export function refusedPlaces({ recordErrors, errorMessage }: ProduceAnswer, count: number): RefusedPlaces {
  if (count === 1) return { refused: [{ place: 0, reason: recordErrors[0]?.message ?? errorMessage }], parts: [] };
  const named = new Map(recordErrors.map(({ place, message }) => [place, message ?? errorMessage]));
  const places = Array.from({ length: count }, (_, place) => place);
  const rest = places.filter((place) => !named.has(place));
  if (rest.length === count) {
    const middle = Math.ceil(count / 2);
    return { refused: [], parts: [places.slice(0, middle), places.slice(middle)] };
  }
  const refused = places
    .filter((place) => named.has(place))
    .map((place) => ({ place, reason: named.get(place) ?? null }));
  return { refused, parts: rest.length === 0 ? [] : [rest] };
}
