import { createRequire } from 'node:module';
import type { NativeMessage } from '@sluice/testkit';
import type { IHeaders } from 'kafkajs';

// kafkajs keeps headers in an object, which forgets where a repeated name stood among the others. Here it is made to write
// them in the order of the message, and to read them with their number in front of the name.

type Headers = NonNullable<NativeMessage['headers']>;

const require = createRequire(import.meta.url);
// Its one user in kafkajs 2.2.4 reads the headers of a record.
const { prototype } = require('kafkajs/src/protocol/decoder') as {
  prototype: {
    readVarIntArray(read: (decoder: object) => { key: string; value: Buffer }): { key: string; value: Buffer }[];
  };
};
const { readVarIntArray } = prototype;
prototype.readVarIntArray = function (read) {
  return readVarIntArray.call(this, read).map(({ key, value }, index) => ({ key: `${index}:${key}`, value }));
};

/** Values that are each written under a name of their own. */
class NamedValues extends Array<Buffer> {
  pairs: readonly { key: string; value: Buffer }[] = [];

  // What kafkajs makes pairs of name and value with.
  override map<T>(): T[] {
    return [...this.pairs] as T[];
  }
}

/** Headers for kafkajs's producer that arrive in this order. */
export function orderedHeaders(headers: Headers): IHeaders {
  const values = new NamedValues();
  values.pairs = headers.map(([key, value]) => ({ key, value: Buffer.from(value) }));
  return { headers: values };
}

/** The headers that kafkajs's consumer has read, in the order of the record. */
export function headersInOrder(headers: IHeaders): Headers {
  return Object.entries(headers)
    .map(([name, value]): readonly [number, string, Uint8Array] => {
      const colon = name.indexOf(':');
      if (!Buffer.isBuffer(value)) throw new TypeError(`header "${name}" is not one value of bytes`);
      return [Number(name.slice(0, colon)), name.slice(colon + 1), value];
    })
    .toSorted(([a], [b]) => a - b)
    .map(([, name, value]) => [name, value]);
}
