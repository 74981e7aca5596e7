// A transform: one message in, one message out. A step that throws makes that one message invalid, and the pipeline goes on.
// Used by celsius.yaml; filter() and flatMap() are written in the same way.
import { map, type Transform, withPayload } from '@sluice/core';

interface Reading {
  readonly celsius: number;
  readonly [field: string]: string | number;
}

export const transform: Transform = map((message) => {
  // The pipeline's codec made this of the sender's JSON, so it can be anything.
  const { celsius, ...reading } = message.payload as Reading;
  if (typeof celsius !== 'number') throw new Error('the reading has no number "celsius"');
  return withPayload(message, { ...reading, fahrenheit: Math.round((celsius * 1.8 + 32) * 100) / 100 });
});
