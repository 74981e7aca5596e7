import { describe, expect, it } from 'vitest';
import type { ProduceAnswer } from '../src/writing/produce-request.js';
import { refusedPlaces } from '../src/writing/refusal.js';

const answer: ProduceAnswer = { topic: 't', partition: 0, errorCode: 10, recordErrors: [], errorMessage: 'too large' };

describe('a refused batch', () => {
  it('of one record is that record', () => {
    expect(refusedPlaces(answer, 1)).toEqual({ refused: [{ place: 0, reason: 'too large' }], parts: [] });
  });

  it('is sent in two halves, in order, when the broker names no record', () => {
    expect(refusedPlaces(answer, 5)).toEqual({
      refused: [],
      parts: [
        [0, 1, 2],
        [3, 4],
      ],
    });
  });

  it('is sent without the records that the broker names', () => {
    const recordErrors = [
      { place: 1, message: 'no key' },
      { place: 3, message: null },
    ];
    expect(refusedPlaces({ ...answer, recordErrors }, 4)).toEqual({
      refused: [
        { place: 1, reason: 'no key' },
        { place: 3, reason: 'too large' },
      ],
      parts: [[0, 2]],
    });
  });

  it('is gone when the broker names all of its records', () => {
    const recordErrors = [0, 1].map((place) => ({ place, message: 'no' }));
    expect(refusedPlaces({ ...answer, recordErrors }, 2).parts).toEqual([]);
  });
});
