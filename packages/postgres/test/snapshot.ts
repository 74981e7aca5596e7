import type { CheckpointStore, Message, ReadBatch } from '@sluice/core';
import { uniqueName } from '@sluice/testkit';
import { onTestFinished } from 'vitest';
import type { CdcSourceConfig, SnapshotConfig } from '../src/changes/cdc-config.js';
import { postgres } from '../src/connector.js';
import type { Database } from './database.js';

/** A config that reads tables and ends. */
export function onlyRows(database: Database, config: Partial<SnapshotConfig> & { tables: string[] }): SnapshotConfig {
  return { url: database.server.url, mode: 'cdc', snapshot: 'only', ...config };
}

/** Everything that a source which ends gives, batch by batch. */
export async function readAll(config: CdcSourceConfig): Promise<readonly ReadBatch[]> {
  const batches: ReadBatch[] = [];
  for await (const batch of postgres.source(config).read()) batches.push(batch);
  return batches;
}

/** A reading that goes on until it is stopped, or until what it is asked to wait for. */
export interface Following {
  readonly batches: ReadBatch[];
  readonly messages: readonly Message[];
  failure: unknown;
  stop(): Promise<void>;
}

export interface FollowSettings {
  readonly name?: string;
  readonly checkpoints?: CheckpointStore;
  /** Called with each batch before it is committed. */
  readonly handle?: (batch: ReadBatch) => Promise<void>;
}

/** Reads rows and changes, and commits every batch. */
export function follow(config: CdcSourceConfig, settings: FollowSettings = {}): Following {
  const { name = uniqueName('reader'), checkpoints, handle = async () => {} } = settings;
  const controller = new AbortController();
  const following: Following = {
    batches: [],
    get messages() {
      return this.batches.flatMap(({ messages }) => messages);
    },
    failure: undefined,
    stop: async () => {
      controller.abort();
      await reading;
    },
  };
  const { signal } = controller;
  const reading = (async () => {
    try {
      const source = postgres.source(config);
      for await (const batch of source.read({ signal, name, ...(checkpoints && { checkpoints }) })) {
        await handle(batch);
        following.batches.push(batch);
        await batch.commit();
      }
    } catch (error) {
      following.failure = error;
    }
  })();
  onTestFinished(() => following.stop());
  return following;
}

/** Something that is waited for, and a way to let it go on. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  onTestFinished(() => resolve());
  return { opened: promise, open: () => resolve() };
}
