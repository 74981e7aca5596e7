// node greedy-process.ts <mebibytes> <folder>: takes so much memory, says so by a file "<mebibytes>" in the folder, keeps it until
// there is a file "stop", and then has moved 1000 messages.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { reportCost } from '../../src/bench/index.js';

const [mebibytes = '', folder = ''] = process.argv.slice(2);
if (folder === '') process.exit(3);
await reportCost(async () => {
  const held = Buffer.alloc(Number(mebibytes) * 1024 * 1024, 'x');
  writeFileSync(join(folder, mebibytes), '');
  while (!existsSync(join(folder, 'stop'))) await delay(10);
  return held.length > 0 ? 1000 : 0;
});
