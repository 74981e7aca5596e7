// Reads a file of JSON lines, and writes it to another file or drops it: a loop written by hand and a pipeline, in turn, each
// in a process of its own whose memory is watched from outside.
//
//   pnpm bench file [--json] [--messages 4000000] [--repeat 5]
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BenchCase, benchOptions, measureProcess, runBenchmark } from '@sluice/testkit/bench';

const options = benchOptions({ messages: 4_000_000, repeat: 5 });
const scripts = { raw: 'raw-loop.ts', pipeline: 'pipeline-run.ts' };

async function* cases(): AsyncGenerator<BenchCase<'raw'>> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  try {
    const input = join(folder, 'in.ndjson');
    const output = join(folder, 'out.ndjson');
    await writeInput(input, options.messages);
    for (const [name, args] of [
      ['file to null', [input]],
      ['file to file', [input, output]],
    ] as const) {
      yield {
        name,
        measure: async (subject) => {
          for (const end of ['', '.checkpoint', '.lock']) await rm(`${output}${end}`, { force: true });
          return await measureProcess(join(import.meta.dirname, scripts[subject]), args);
        },
      };
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function writeInput(path: string, messages: number): Promise<void> {
  const handle = await open(path, 'w');
  for (let from = 0; from < messages; from += 10_000) {
    const rows = Array.from({ length: Math.min(10_000, messages - from) }, (_, index) => {
      const id = from + index;
      return `${JSON.stringify({ id, name: `customer ${id}`, amount: id * 1.5, note: 'x'.repeat(40) })}\n`;
    });
    await handle.write(rows.join(''));
  }
  await handle.close();
}

await runBenchmark({ name: 'file', byHand: ['raw'], cases: cases() }, options);
