import type { SourceCapabilities } from '@sluice/core/driver';
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
  }
}
