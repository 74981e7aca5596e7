import type { Position } from '../source-driver.js';

/** A place in a partition, and the lease under which it was read: so that a commit of an old lease can be told from a new one. */
export interface Place {
  readonly next: number;
  readonly lease: number;
}

/** The position that stands for a place. */
export function positionOf({ next, lease }: Place): Position {
  return { next, lease };
}

/** The place that a position stands for; undefined when it is not one of this system. */
export function placeOf(position: Position | undefined): Place | undefined {
  if (typeof position !== 'object' || position === null || !('next' in position)) return undefined;
  const { next, lease } = position;
  return typeof next === 'number' && typeof lease === 'number' ? { next, lease } : undefined;
}
