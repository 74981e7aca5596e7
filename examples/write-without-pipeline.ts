// Writes to a sink by hand: write() resolves when the messages are durable, and tries again what may pass by itself.
// Run it: node write-without-pipeline.ts
import { BatchError } from '@sluice/core';
import { file } from '@sluice/file';

const sink = await file.sink({ path: 'out/notes.ndjson' }).open();
try {
  await sink.write([{ payload: { note: 'water the plants' } }, { payload: 'a text is JSON, too' }]);
  await sink.write([
    { payload: Buffer.from('bytes stay as they are') },
    { payload: Buffer.from('but not\ntwo lines') },
  ]);
} catch (error) {
  if (!(error instanceof BatchError)) throw error;
  // Only these can never be written; all others of the call are stored.
  for (const { index, error: reason } of error.failures) console.log(`message ${index} was refused: ${String(reason)}`);
} finally {
  await sink.close();
}
