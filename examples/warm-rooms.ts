// A pipeline file in TypeScript: the editor checks it, and it can do what YAML cannot, such as functions in place.
// Run it: npx sluice run warm-rooms.ts
import { filter, map, type PipelineDefinition, withPayload } from '@sluice/core';
import { file } from '@sluice/file';

interface Row {
  readonly room: string;
  readonly celsius: string;
}

export const pipeline: PipelineDefinition = {
  name: 'warm-rooms',
  source: file.source({ path: 'data/readings.csv', framing: 'csv' }),
  transforms: [
    map((message) => {
      // A row of CSV is an object of texts by column.
      const { room, celsius } = message.payload as unknown as Row;
      return withPayload(message, { room, celsius: Number(celsius) });
    }),
    filter(({ payload }) => (payload as { readonly celsius: number }).celsius > 20),
  ],
  sink: file.sink({ path: 'out/warm-rooms.ndjson' }),
};
