// Several steps in one module: lets through the orders of 100.00 and more, and keeps the fields that the CSV file has.
// Used by fan-out.yaml, for one of its two sinks.
import { filter, map, type Transform, withPayload } from '@sluice/core';

interface Order {
  readonly order: number;
  readonly item: string;
  readonly totalCents: number;
}

export const transform: readonly Transform[] = [
  // with-total.ts comes first and lets nothing through that has no total.
  filter(({ payload }) => (payload as unknown as Order).totalCents >= 10_000),
  map((message) => {
    const { order, item, totalCents } = message.payload as unknown as Order;
    return withPayload(message, { order, item, totalCents });
  }),
];
