import type { SinkCapabilities, SourceCapabilities } from '@sluice/core';
import { defineConnector } from '@sluice/core/driver';
import type { Harness, SinkHarness, SinkPlace, SourceHarness, SourcePlace, Unable } from './harness.js';

/** A connector that is tested, and what it declares for the places of its harness. */
export interface Subject {
  readonly harness: Harness;
  readonly source: SourceSubject | undefined;
  readonly sink: SinkSubject | undefined;
}

/** The reading half. */
export interface SourceSubject {
  readonly harness: SourceHarness;
  readonly capabilities: SourceCapabilities;
  /** A place that was made for a look at its hooks, and has been removed. */
  readonly sample: SourcePlace;
}

/** The writing half. */
export interface SinkSubject {
  readonly harness: SinkHarness;
  readonly capabilities: SinkCapabilities;
  /** A place that was made for a look, and has been removed. */
  readonly sample: SinkPlace;
}

/** Looks at what a connector declares: makes a place of each direction, asks for its capabilities, and removes it. */
export async function subjectOf(harness: Harness): Promise<Subject> {
  return { harness, source: await sourceSubject(harness), sink: await sinkSubject(harness) };
}

async function sourceSubject({ connector, source: half }: Harness): Promise<SourceSubject | undefined> {
  if (half === undefined) return undefined;
  const sample = await half.createPlace(2);
  try {
    const { capabilities } = defineConnector(connector).source(sample.config, optionsOf(sample));
    return { harness: half, capabilities, sample };
  } finally {
    await sample.remove();
  }
}

async function sinkSubject({ connector, sink: half }: Harness): Promise<SinkSubject | undefined> {
  if (half === undefined) return undefined;
  const sample = await half.createPlace();
  try {
    const { capabilities } = defineConnector(connector).sink(sample.config, optionsOf(sample));
    return { harness: half, capabilities, sample };
  } finally {
    await sample.remove();
  }
}

/** A place's options as what a connector takes. */
export function optionsOf({ options }: { readonly options?: unknown }): object {
  return typeof options === 'object' && options !== null ? options : {};
}

/** The reason of something that a harness cannot do; undefined when it can. Left out counts as `fallback`. */
export function unableOf(value: unknown, fallback: string): Unable | undefined {
  if (value === undefined) return { because: fallback };
  return isUnable(value) ? value : undefined;
}

/** Whether a hook says that it cannot. */
export function isUnable(value: unknown): value is Unable {
  return typeof value === 'object' && value !== null && 'because' in value;
}

/** The reasons that concern a direction. */
export const noSource: Unable = { because: 'it has no source' };
export const noSink: Unable = { because: 'it has no sink' };

/** Nothing where the condition holds, else the reason. */
export function unless(condition: boolean, because: string): Unable | undefined {
  return condition ? undefined : { because };
}

/** For a source's behaviours: inapplicable without one, else whatever `reason` says. */
export function forSource(
  reason: (source: SourceSubject) => Unable | undefined = () => undefined,
): (subject: Subject) => Unable | undefined {
  return ({ source }) => (source === undefined ? noSource : reason(source));
}

/** For a sink's behaviours: inapplicable without one, else whatever `reason` says. */
export function forSink(
  reason: (sink: SinkSubject) => Unable | undefined = () => undefined,
): (subject: Subject) => Unable | undefined {
  return ({ sink }) => (sink === undefined ? noSink : reason(sink));
}
