// A transform that adds a field: the total of an order in cents.
// Used by copy.yaml, copy.toml and fan-out.yaml.
import { map, type Transform, withPayload } from '@sluice/core';

interface Order {
  readonly quantity: number;
  readonly priceCents: number;
  readonly [field: string]: string | number;
}

export const transform: Transform = map((message) => {
  // The pipeline's codec made this of a line of JSON, so it can be anything.
  const order = message.payload as Order;
  const totalCents = order.quantity * order.priceCents;
  if (!Number.isSafeInteger(totalCents))
    throw new Error('the order has no quantity and priceCents that are whole numbers');
  return withPayload(message, { ...order, totalCents });
});
