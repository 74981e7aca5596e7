// A connector that loads nothing when it is imported.
import { memoryConnector, memorySystem } from '@sluice/core/testing';

const system = memorySystem();

export const memory: ReturnType<typeof memoryConnector> = memoryConnector(system, system.instance('client'));
