// A connector that loads a client when it is imported.
import 'kafkajs';
import { memoryConnector, memorySystem } from '@sluice/core/testing';

const system = memorySystem();

export const memory: ReturnType<typeof memoryConnector> = memoryConnector(system, system.instance('client'));
