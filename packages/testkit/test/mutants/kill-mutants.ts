import type { ErasedConnector } from '@sluice/core/driver';
import type { SqliteMode } from '../sqlite-harness.js';
import { answerFirst, checkpointFirst, dataFirst } from './killed-sqlite.js';

/** A connector that loses or repeats messages only when its process dies at the wrong moment. */
export interface KillMutant extends SqliteMode {
  readonly behaviour: string;
  readonly what: string;
  readonly says: RegExp;
}

const url = new URL('./killed-sqlite.ts', import.meta.url).href;

function killMutant(
  mutant: Omit<KillMutant, 'module' | 'connector'>,
  name: string,
  connector: { readonly descriptor: ErasedConnector },
): KillMutant {
  return { ...mutant, module: { url, name }, connector: connector.descriptor };
}

const exactlyOnce = 'a pipeline that is killed anywhere between or inside its steps stores every message exactly once';
const atLeastOnce = 'a pipeline that is killed anywhere between or inside its steps loses nothing and keeps the order';

export const killMutants: readonly KillMutant[] = [
  killMutant(
    { behaviour: exactlyOnce, what: 'stores the positions before the messages', atomic: true, says: /missing/ },
    'checkpointFirst',
    checkpointFirst,
  ),
  killMutant(
    { behaviour: exactlyOnce, what: 'stores the messages before the positions', atomic: true, says: /repeated/ },
    'dataFirst',
    dataFirst,
  ),
  killMutant(
    { behaviour: atLeastOnce, what: 'answers before it has stored', atomic: false, says: /missing/ },
    'answerFirst',
    answerFirst,
  ),
];
