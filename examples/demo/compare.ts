import { linesOf } from '#demo/lines';

/** How an output differs from what its input should have become. */
export interface Comparison {
  readonly linesIn: number;
  readonly linesOut: number;
  /** Orders of the input that the output does not have. */
  readonly lost: number;
  /** Lines of the output that it had before. */
  readonly duplicated: number;
  /** Lines that came for the first time, after one that should have come later. */
  readonly reordered: number;
  /** Lines of the output that are not what any line of the input should have become. */
  readonly wrong: number;
}

/** Compares the orders of a file with those that a pipeline has made of them. Shares no code with it. */
export async function compareLines(input: string, output: string): Promise<Comparison> {
  const expected: string[] = [];
  const placeOf = new Map<number, number>();
  for await (const lines of linesOf(input)) {
    for (const line of lines) {
      // The demo has written these lines itself.
      const order = JSON.parse(line) as Order;
      placeOf.set(order.order, expected.length);
      expected.push(JSON.stringify({ ...order, totalCents: order.quantity * order.priceCents }));
    }
  }
  const seen = new Uint8Array(expected.length);
  let [linesOut, duplicated, reordered, wrong, last] = [0, 0, 0, 0, -1];
  for await (const lines of linesOf(output)) {
    linesOut += lines.length;
    for (const line of lines) {
      const place = placeOf.get(numberOf(line)) ?? -1;
      if (expected[place] !== line) wrong++;
      else if (seen[place] === 1) duplicated++;
      else {
        seen[place] = 1;
        if (place < last) reordered++;
        last = Math.max(last, place);
      }
    }
  }
  const lost = seen.reduce((count, was) => count + 1 - was, 0);
  return { linesIn: expected.length, linesOut, lost, duplicated, reordered, wrong };
}

interface Order {
  readonly order: number;
  readonly quantity: number;
  readonly priceCents: number;
}

function numberOf(line: string): number {
  return Number(/^\{"order":(\d+),/.exec(line)?.[1]);
}
