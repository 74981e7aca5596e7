import { appendFile, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type {
  Carries,
  Harness,
  NativeMessage,
  SinkHarness,
  SinkPlace,
  SourceHarness,
  SourcePlace,
} from '@sluice/testkit';
import type { FileSinkConfig, FileSourceConfig } from '../src/config.js';
import { file } from '../src/connector.js';

/** How messages lie in a file, written and read here without the connector. */
export interface FileFormat {
  readonly framing: 'lines' | 'length-prefixed';
  encode(payload: Uint8Array): Uint8Array;
  decode(content: Buffer): NativeMessage[];
  readonly carries: Carries;
}

const limits = { key: false, headers: 'none', timestamp: false, nullPayload: false, emptyPayload: true } as const;
const newline = Buffer.from('\n');

export const lines: FileFormat = {
  framing: 'lines',
  encode: (payload) => Buffer.concat([payload, newline]),
  decode(content) {
    const messages: NativeMessage[] = [];
    for (let from = 0; from < content.length; ) {
      const end = content.indexOf(newline, from);
      messages.push({ payload: content.subarray(from, end < 0 ? content.length : end) });
      from = end < 0 ? content.length : end + 1;
    }
    return messages;
  },
  carries: { ...limits, anyByte: false, maxPayloadBytes: 16 * 1024 * 1024 },
};

export const lengthPrefixed: FileFormat = {
  framing: 'length-prefixed',
  encode(payload) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(payload.length);
    return Buffer.concat([length, payload]);
  },
  decode(content) {
    const messages: NativeMessage[] = [];
    for (let from = 0; from < content.length; ) {
      const end = from + 4 + content.readUInt32BE(from);
      messages.push({ payload: content.subarray(from + 4, end) });
      from = end;
    }
    return messages;
  },
  carries: { ...limits, anyByte: true, maxPayloadBytes: 16 * 1024 * 1024 },
};

/** Which mode of the connector is tested. */
export interface FileMode {
  readonly format: FileFormat;
  readonly source: Partial<FileSourceConfig>;
  readonly sink: Partial<FileSinkConfig>;
}

const noCredentials = { because: 'a file has no credentials' };
const noNetwork = { because: 'a file has no network' };

/** The harness of one mode. */
export function fileHarness({ format, source, sink }: FileMode): Harness {
  return {
    connector: file.descriptor,
    module: { url: import.meta.resolve('@sluice/file'), name: 'file' },
    source: sourceHarness(format, source),
    sink: sinkHarness(format, sink),
    faults: noNetwork,
    secrets: [],
    close: () => Promise.resolve(),
  };
}

async function newFolder(): Promise<{ readonly folder: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-file-'));
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

function sourceHarness(format: FileFormat, mode: Partial<FileSourceConfig>): SourceHarness {
  return {
    carries: format.carries,
    missing: mode.follow
      ? { because: 'a file that is followed may come later' }
      : { config: { path: join(tmpdir(), 'sluice-no-such-file', '*.log') } },
    wrongCredentials: noCredentials,
    unreachable: noNetwork,
    livenessTimeoutMs: { because: 'nobody watches who reads a file' },
    createPlace: async (partitions) => {
      const { folder, remove } = await newFolder();
      const paths = Array.from({ length: partitions }, (_, index) => join(folder, `${index}.log`));
      for (const path of paths) await writeFile(path, '');
      const config: FileSourceConfig = { path: `${folder}/*.log`, framing: format.framing, ...mode };
      return { config, partitions: paths, remove, ...filesOf(format, folder, mode) };
    },
  };
}

function filesOf(
  format: FileFormat,
  folder: string,
  { follow }: Partial<FileSourceConfig>,
): Omit<SourcePlace, 'config' | 'partitions' | 'remove'> {
  return {
    produce: (messages, path = join(folder, '0.log')) => appendFile(path, encoded(format, messages)),
    committed: { because: 'a file knows nothing of its readers' },
    async discard(path, count) {
      const left = format.decode(await readFile(path)).slice(count);
      await writeFile(`${path}.new`, encoded(format, left));
      await rename(`${path}.new`, path);
    },
    addPartition: follow
      ? async () => {
          const path = join(folder, 'added.log');
          await writeFile(path, '');
          return path;
        }
      : { because: 'without follow it reads the files that are there when it is opened' },
    takeAway: { because: 'a file belongs to nobody' },
  };
}

function encoded(format: FileFormat, messages: readonly NativeMessage[]): Buffer {
  return Buffer.concat(messages.map(({ payload }) => format.encode(payload ?? new Uint8Array())));
}

function sinkHarness(format: FileFormat, mode: Partial<FileSinkConfig>): SinkHarness {
  return {
    carries: format.carries,
    missing: { because: 'it makes the file and its folder' },
    wrongCredentials: noCredentials,
    unreachable: noNetwork,
    refused:
      format === lines
        ? () => ({ payload: Buffer.from('two\nlines') })
        : () => ({ payload: Buffer.alloc(format.carries.maxPayloadBytes + 1) }),
    isCommitRequest: noNetwork,
    createPlace: async () => {
      const { folder, remove } = await newFolder();
      const path = join(folder, 'out.log');
      const config: FileSinkConfig = { path, framing: format.framing, ...mode };
      return { config, remove, stored: () => storedIn(format, path) } satisfies SinkPlace;
    },
  };
}

async function storedIn(format: FileFormat, path: string): Promise<readonly (readonly NativeMessage[])[]> {
  try {
    return [format.decode(await readFile(path))];
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [[]];
    throw error;
  }
}
