import { dirname, join } from 'node:path';
import { BatchError, createFraming, makeFolderDurably, type SinkDriver } from '@sluice/core/driver';
import { compressionOf } from './compression.js';
import type { FileSinkSettings } from './config.js';
import { encoder } from './output-encoder.js';
import { OutputFile } from './output-file.js';
import { isRotationDue, nextRotatedName } from './rotation.js';

/** Opens a sink that only appends: what it took over before a crash is written again. Several may share a file. */
export async function openAppendSink(config: FileSinkSettings, path: string): Promise<SinkDriver> {
  const framing = createFraming(config.framing);
  const encode = encoder(framing, { buffers: compressionOf(path) === undefined ? 1 : 0 });
  const settings = { isShared: true, hasLines: framing.name !== 'length-prefixed' };
  const openOutput = async (): Promise<OutputFile> => {
    const output = await OutputFile.open(path, settings);
    await output.endLine();
    return output;
  };
  await makeFolderDurably(dirname(path));
  let output = await openOutput();
  let begunAt = output.isEmpty ? 0 : output.madeAt;
  return {
    async write({ messages }, signal) {
      signal.throwIfAborted();
      const { bytes, failures } = encode(messages, output.isEmpty);
      if (output.isEmpty) begunAt = Date.now();
      await output.write(bytes);
      if (failures.length > 0) throw new BatchError(failures);
    },
    async flush(_checkpoint, signal) {
      signal.throwIfAborted();
      await output.flush();
      if (isRotationDue(config.rotate, output.length, begunAt)) {
        await output.moveTo(join(dirname(path), await nextRotatedName(path)));
        output = await openOutput();
      } else if (output.isRegular && (await output.isUntouched()) === 'replaced') {
        // Rotated by somebody else.
        await output.close();
        output = await openOutput();
      }
    },
    close: () => output.close(),
  };
}
