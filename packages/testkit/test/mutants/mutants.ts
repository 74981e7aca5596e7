import { commitMutants } from './commit-mutants.js';
import { configMutants } from './config-mutants.js';
import { faultMutants } from './fault-mutants.js';
import type { Mutant } from './mutant.js';
import { openMutants } from './open-mutants.js';
import { positionMutants } from './position-mutants.js';
import { readMutants } from './read-mutants.js';
import { writeFailureMutants } from './write-failure-mutants.js';
import { writeKindMutants } from './write-kind-mutants.js';
import { writeMutants } from './write-mutants.js';
import { writeValueMutants } from './write-value-mutants.js';

/** A broken connector for each behaviour. */
export const mutants: readonly Mutant[] = [
  ...configMutants,
  ...openMutants,
  ...readMutants,
  ...positionMutants,
  ...commitMutants,
  ...writeMutants,
  ...writeFailureMutants,
  ...writeKindMutants,
  ...writeValueMutants,
  ...faultMutants,
];
