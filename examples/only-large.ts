// A filter: lets through the orders of 100.00 and more.
// Used by fan-out.yaml, for one of its two sinks.
import { filter, type Transform } from '@sluice/core';

export const transform: Transform = filter(({ payload }) => {
  // with-total.ts has made sure that there is a total.
  const { totalCents } = payload as { readonly totalCents: number };
  return totalCents >= 10_000;
});
