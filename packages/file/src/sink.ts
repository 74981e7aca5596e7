import { access, constants } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Discovered, DriverContext, SinkDriver } from '@sluice/core/driver';
import { openAppendSink } from './append-sink.js';
import { AtomicSink } from './atomic-sink.js';
import { compressionOf } from './compression.js';
import type { FileSinkSettings } from './config.js';
import { hasCode } from './error.js';
import { statFile } from './open-file.js';
import { openStdoutSink } from './stdout-sink.js';

/** Opens the sink that the config asks for. */
export async function openFileSink(config: FileSinkSettings, context: DriverContext): Promise<SinkDriver> {
  if (config.path === '-') return openStdoutSink(process.stdout, 1, config);
  const path = resolve(config.path);
  return config.atomic === false ? openAppendSink(config, path) : new AtomicSink(config, path, context);
}

/** Whether the file may be written, or made. Makes nothing. */
export async function checkFileSink(config: FileSinkSettings): Promise<void> {
  if (config.path === '-') return;
  const path = resolve(config.path);
  const exists = (await statFile(path)) !== undefined;
  if (exists) await access(path, constants.W_OK);
  if (!exists || config.atomic !== false) await checkFolder(dirname(path));
}

/** The output as it is now. */
export async function discoverOutput({ path }: FileSinkSettings): Promise<readonly Discovered[]> {
  if (path === '-') return [{ name: '-', details: { kind: 'standard output' } }];
  const stats = await statFile(path);
  if (stats === undefined) return [];
  const details = {
    bytes: Number(stats.size),
    modified: stats.mtime.toISOString(),
    compression: compressionOf(path) ?? 'none',
  };
  return [{ name: path, details }];
}

/** A folder that is missing is made in the nearest one above it. */
async function checkFolder(path: string): Promise<void> {
  try {
    await access(path, constants.W_OK | constants.X_OK);
  } catch (error) {
    if (!hasCode(error, 'ENOENT') || dirname(path) === path) throw error;
    await checkFolder(dirname(path));
  }
}
