// Reads a source in a loop of your own; a committed batch does not come again, so a second run finds nothing new.
// Run it: node read-without-pipeline.ts
import { fileCheckpoints } from '@sluice/core';
import { file } from '@sluice/file';

const orders = file.source({ path: 'data/orders.ndjson' }, { codec: 'json' });
// A file keeps no position of its readers. Sources that do, such as consumer groups, need no checkpoints here.
const checkpoints = fileCheckpoints({ path: 'out/checkpoints' });

let pieces = 0;
for await (const batch of orders.read({ name: 'count-pieces', checkpoints })) {
  for (const { payload } of batch.messages) {
    const { quantity } = payload as { readonly quantity: number };
    pieces += quantity;
  }
  await batch.commit();
}
console.log(`${pieces} pieces were ordered`);
