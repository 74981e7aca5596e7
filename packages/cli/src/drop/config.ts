import { z } from '@sluice/core/driver';

/** Config of the drop sink. */
export const DropSinkConfig = z
  .strictObject({})
  .describe('Forgets every message: for trying things out and for measuring.');
