import type { ErrorCode } from '@sluice/core';
import type { Direction } from './halves.js';
import type { Unable, WrongConfig } from './harness.js';
import { isUnable, noSink, noSource, type Subject } from './subject.js';

/** A config that the connector cannot work with. */
export interface WrongPlace {
  readonly direction: Direction;
  readonly kind: WrongKind;
  /** For errors: `wrong credentials`. */
  readonly what: string;
  /** The codes that say so. */
  readonly codes: readonly ErrorCode[];
  readonly place: WrongConfig;
}

export type WrongKind = 'missing' | 'wrongCredentials' | 'unreachable';

const kinds: Readonly<Record<WrongKind, Pick<WrongPlace, 'what' | 'codes'>>> = {
  missing: { what: 'a name that does not exist', codes: ['not_found'] },
  wrongCredentials: { what: 'wrong credentials', codes: ['unauthenticated', 'permission_denied'] },
  unreachable: { what: 'an unreachable system', codes: ['not_connected', 'timeout'] },
};

/** Why a direction has no such config; undefined when it has one. */
export function withoutWrongPlace(
  subject: Pick<Subject, 'harness'>,
  direction: Direction,
  kind: WrongKind,
): Unable | undefined {
  const half = subject.harness[direction];
  if (half === undefined) return direction === 'source' ? noSource : noSink;
  const place = half[kind];
  return isUnable(place) ? place : undefined;
}

/** The config of a direction that fails in this way. @throws {Error} when there is none */
export function wrongPlace({ harness }: Pick<Subject, 'harness'>, direction: Direction, kind: WrongKind): WrongPlace {
  const place = harness[direction]?.[kind];
  if (place === undefined || isUnable(place)) throw new Error(`the harness has no ${kind} config of a ${direction}`);
  return { direction, kind, place, ...kinds[kind] };
}

/** All configs that fail. */
export function wrongPlaces(subject: Pick<Subject, 'harness'>): readonly WrongPlace[] {
  return (['source', 'sink'] as const).flatMap((direction) =>
    (['missing', 'wrongCredentials', 'unreachable'] as const)
      .filter((kind) => withoutWrongPlace(subject, direction, kind) === undefined)
      .map((kind) => wrongPlace(subject, direction, kind)),
  );
}
