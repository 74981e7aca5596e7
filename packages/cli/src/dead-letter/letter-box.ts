import { readdir } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { ConnectorError, type DeadLetter, type PipelineDefinition, type Sink, type Source } from '@sluice/core';
import { defineConnector } from '@sluice/core/driver';
import { badInput } from '../problem.js';
import { parseLetter } from './letter.js';

/** Dead letters as a file sink wrote them. */
export interface LetterBox {
  /** As the pipeline file has it. */
  readonly path: string;
  /** All that are stored now, the oldest file first; a letter that was stored twice comes twice. */
  read(signal: AbortSignal): AsyncGenerator<DeadLetter>;
}

/**
 * Where the dead letters of a pipeline lie, each box once.
 *
 * @throws {BadInput} when there are none, or a sink other than the file sink keeps them
 */
export function letterBoxes({ name, deadLetter, sinks = {} }: PipelineDefinition): readonly LetterBox[] {
  const branches = Object.values(sinks).flatMap((branch) =>
    'sink' in branch && branch.deadLetter ? [branch.deadLetter] : [],
  );
  const boxes = [...(deadLetter === undefined ? [] : [deadLetter]), ...branches].map(({ sink }) => letterBox(sink));
  if (boxes.length === 0) {
    throw badInput(`pipeline "${name}" stores no dead letters; give it a "deadLetter" with the file connector`);
  }
  return [...new Map(boxes.map((box) => [box.path, box])).values()];
}

function letterBox(sink: Sink): LetterBox {
  // Configs of other connectors have other fields, or none of these.
  const { path, framing } = sink.config as { readonly path?: unknown; readonly framing?: unknown };
  const { name } = sink.connector;
  const codec = sink.options.codec ?? 'json';
  if (name !== 'file' || typeof path !== 'string' || path === '-' || codec !== 'json') {
    const where =
      name === 'file'
        ? `${String(path)} (codec ${typeof codec === 'string' ? codec : codec.name})`
        : `the ${name} sink`;
    throw badInput(`dead letters in ${where} cannot be read back; this works for files with codec "json"`);
  }
  const file = defineConnector(sink.connector);
  return {
    path,
    read: async function* (signal) {
      for (const each of await filesOf(path))
        yield* readLetters(file.source({ path: literal(each), framing }, { codec: 'bytes' }), signal);
    },
  };
}

async function* readLetters(source: Source, signal: AbortSignal): AsyncGenerator<DeadLetter> {
  for await (const { messages } of source.read({ signal })) {
    for (const { payload } of messages) {
      const letter = payload instanceof Uint8Array ? parseLetter(payload) : undefined;
      if (letter !== undefined) yield letter;
    }
  }
}

/** The file, after those that were rotated away: `dead.000001.ndjson` belongs to `dead.ndjson`. None before the first letter. */
async function filesOf(path: string): Promise<readonly string[]> {
  const folder = dirname(path);
  const name = basename(path);
  const extension = /\.[^.]+\.(gz|zst)$/.exec(name)?.[0] ?? extname(name);
  const stem = name.slice(0, name.length - extension.length);
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new ConnectorError('permission_denied', `dead letters in ${path} cannot be read: ${error.message}`, {
      cause: error,
    });
  });
  const rotated = names.filter(
    (other) =>
      other.startsWith(`${stem}.`) &&
      other.endsWith(extension) &&
      /^\.\d{6,}$/.test(other.slice(stem.length, other.length - extension.length)),
  );
  return [...rotated.sort(), ...names.filter((other) => other === name)].map((file) => join(folder, file));
}

/** The path as the file source takes it, where some characters would make it a pattern. */
function literal(path: string): string {
  return path.replaceAll(/[\\*?[\]{}()!+@]/g, '\\$&');
}
