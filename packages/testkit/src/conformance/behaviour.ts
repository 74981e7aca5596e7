import type { Unable } from './harness.js';
import type { Subject } from './subject.js';
import type { Trial } from './trial.js';

/** One thing that every connector does whose capabilities say so. Data, so that mutants can be tried against it alone. */
export interface Behaviour {
  /** A sentence about the connector, unique in the suite: `a source delivers every message once and in order`. */
  readonly title: string;
  readonly area: 'config' | 'open' | 'read' | 'commit' | 'write' | 'faults' | 'effectively once';
  /** Why it cannot be asked of this connector, from what it declares and from its harness; undefined when it can. */
  inapplicable(subject: Subject): Unable | undefined;
  /** Rejects when the connector does something else. What it opened and made is let go of by the trial. */
  run(trial: Trial): Promise<void>;
  /** Bound for `run`, in ms, for behaviours that need longer than the suite's 30 s. */
  readonly timeoutMs?: number;
}
