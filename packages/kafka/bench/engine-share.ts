import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A CPU profile as `node --cpu-prof` writes it. */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
    readonly children?: readonly number[];
  }[];
  /** The node of each sample, and the microseconds before it. */
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

type Owner = 'engine' | 'others' | 'idle';

/** The part of a pipeline's CPU time that the engine takes. @param run starts the pipeline with these options of Node.js */
export async function shareOfEngine(run: (nodeOptions: readonly string[]) => Promise<unknown>): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  await run(['--cpu-prof', `--cpu-prof-dir=${folder}`]);
  const [file = ''] = await readdir(folder);
  // What Node.js writes.
  const profile = JSON.parse(await readFile(join(folder, file), 'utf8')) as CpuProfile;
  await rm(folder, { recursive: true });
  return engineShare(profile);
}

/**
 * Which part of the time that a pipeline's thread was busy went into the engine, from 0 to 1: into the core's own code and what
 * that calls of the language, but not into what drivers call of the core. Collecting garbage is nobody's.
 */
function engineShare({ nodes, samples, timeDeltas }: CpuProfile): number {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const owners = new Map<number, Owner>();
  const mark = (id: number, caller: Owner): void => {
    const node = byId.get(id);
    if (node === undefined) return;
    const owner = ownerOf(node.callFrame, caller);
    owners.set(id, owner);
    for (const child of node.children ?? []) mark(child, owner);
  };
  const [root] = nodes;
  // Called by nobody: what runs first after a wait.
  for (const id of root?.children ?? []) mark(id, 'idle');
  const times = { engine: 0, others: 0, idle: 0 };
  samples.forEach((id, index) => {
    times[owners.get(id) ?? 'others'] += timeDeltas[index] ?? 0;
  });
  return times.engine / (times.engine + times.others);
}

function ownerOf({ functionName, url }: CpuProfile['nodes'][number]['callFrame'], caller: Owner): Owner {
  if (url.includes('/packages/core/dist/')) return caller === 'others' ? 'others' : 'engine';
  if (url !== '' && !url.startsWith('node:')) return 'others';
  if (functionName === '(idle)') return 'idle';
  return caller === 'engine' ? 'engine' : 'others';
}
