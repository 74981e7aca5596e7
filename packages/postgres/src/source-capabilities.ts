import type { SourceCapabilities } from '@sluice/core/driver';
import { catchesUp } from './notifications/listen-config.js';
import type { PostgresSourceSettings } from './source-config.js';

/** What the source can do in the mode that the config names. */
export function sourceCapabilities(config: PostgresSourceSettings): SourceCapabilities {
  switch (config.mode) {
    case 'cdc': {
      const bounded = config.snapshot === 'only';
      return {
        position: 'engine',
        replayable: true,
        order: 'partition',
        bounded,
        window: false,
        changes: true,
        keyed: false, // a table need not have a key
        ...(bounded ? {} : { lagUnit: 'bytes' }),
      };
    }
    case 'poll':
      return { ...rows, bounded: config.bounded };
    case 'listen':
      return catchesUp(config) ? { ...rows, bounded: false } : notifications;
  }
}

/** What is polled, whatever wakes it. */
const rows: Omit<SourceCapabilities, 'bounded'> = {
  position: 'engine',
  replayable: true,
  order: 'partition',
  window: false,
  changes: false, // a row as it is now, and not what happened to it
  keyed: true,
};

const notifications: SourceCapabilities = {
  position: 'none',
  replayable: false,
  order: 'partition',
  bounded: false,
  window: false,
  changes: false,
  keyed: false,
};
