import { abortBehaviours } from './abort.js';
import type { Behaviour } from './behaviour.js';
import { checkBehaviours } from './check.js';
import { closeBehaviours } from './close.js';
import { commitBehaviours } from './commit.js';
import { configBehaviours } from './config.js';
import { fenceBehaviours } from './fence.js';
import { floodBehaviours } from './flood.js';
import { killBehaviours } from './kill.js';
import { lostAnswerBehaviours } from './lost-answer.js';
import { openBehaviours } from './open.js';
import { readBehaviours } from './read.js';
import { readPartitionBehaviours } from './read-partitions.js';
import { readPayloadBehaviours } from './read-payloads.js';
import { readPositionBehaviours } from './read-positions.js';
import { sinkFaultBehaviours } from './sink-faults.js';
import { sourceFaultBehaviours } from './source-faults.js';
import { writeBehaviours } from './write.js';
import { writeFailureBehaviours } from './write-failures.js';
import { keyedWriteBehaviours } from './write-keyed.js';
import { writeKindBehaviours } from './write-kinds.js';
import { valueWriteBehaviours } from './write-values.js';

/** The whole suite, by area. */
export const behaviours: readonly Behaviour[] = [
  ...configBehaviours,
  ...openBehaviours,
  ...abortBehaviours,
  ...closeBehaviours,
  ...checkBehaviours,
  ...readBehaviours,
  ...readPayloadBehaviours,
  ...readPositionBehaviours,
  ...readPartitionBehaviours,
  ...floodBehaviours,
  ...commitBehaviours,
  ...writeBehaviours,
  ...writeFailureBehaviours,
  ...writeKindBehaviours,
  ...keyedWriteBehaviours,
  ...valueWriteBehaviours,
  ...sourceFaultBehaviours,
  ...sinkFaultBehaviours,
  ...lostAnswerBehaviours,
  ...fenceBehaviours,
  ...killBehaviours,
];
