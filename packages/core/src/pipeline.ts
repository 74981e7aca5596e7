import { Budget } from './engine/budget.js';
import { refuseCollisions } from './engine/collisions.js';
import { type Plan, planOf } from './engine/plan.js';
import { Run } from './engine/run.js';
import { RunStats } from './engine/run-stats.js';
import { ConnectorError } from './error.js';
import type { Guarantee } from './guarantee.js';
import type { PipelineDefinition, PipelineStats } from './pipeline-definition.js';

/** A pipeline that was checked and can be run. Nothing is open until then. */
export interface Pipeline {
  readonly name: string;
  /** What it promises, and why. */
  readonly guarantee: Guarantee;
  /** What its connectors say about their configs, each after the id of the source or sink: `sink: makes missing tables ...`. */
  readonly remarks: readonly string[];
  /**
   * Checks what takes a look outside: that no sink writes to what a source reads, or to what another sink writes to. Opens
   * nothing. {@link run} begins with it.
   *
   * @throws {ConnectorError} `config_invalid`
   */
  validate(): Promise<void>;
  /**
   * Reads, transforms and writes until the sources end or the signal is aborted; then what was read is drained, within
   * `shutdownTimeoutMs`, and everything is closed. `unsettled` in the result counts what was left for the next run.
   *
   * @throws {ConnectorError} `config_invalid` as {@link validate} does, before anything is opened
   * @throws {ConnectorError} what stopped it for good; everything is closed then, and what was settled stays settled
   * @throws {ConnectorError} `unsupported` while it runs already
   */
  run(settings?: { readonly signal?: AbortSignal }): Promise<PipelineStats>;
  /** The counters now, or at the end of the last run. */
  stats(): PipelineStats;
}

/**
 * Puts a pipeline together and checks it: codecs, names, and whether anything would be lost by design.
 *
 * @throws {ConnectorError} `config_invalid`
 */
export function pipeline(definition: PipelineDefinition): Pipeline {
  const plan = planOf(definition);
  let running = false;
  let run: Run | undefined;
  return {
    name: plan.name,
    guarantee: plan.guarantee,
    remarks: remarksOf(plan),
    validate: () => refuseCollisions(definition),
    run: async ({ signal } = {}) => {
      if (running) throw new ConnectorError('unsupported', `pipeline "${plan.name}" runs already`);
      running = true;
      try {
        await refuseCollisions(definition);
        run = new Run(plan);
        return await run.execute(signal);
      } finally {
        running = false;
      }
    },
    stats: () => (run?.stats ?? new RunStats(plan.name, new Budget(plan.budget))).snapshot(),
  };
}

function remarksOf({ sources, branches }: Plan): readonly string[] {
  return [
    ...sources.flatMap(({ id, source: { connector, config } }) => prefixed(id, connector.source?.remarks?.(config))),
    ...branches.flatMap(({ id, sink: { connector, config } }) => prefixed(id, connector.sink?.remarks?.(config))),
  ];
}

function prefixed(id: string, remarks: readonly string[] = []): string[] {
  return remarks.map((remark) => `${id}: ${remark}`);
}
