import { isConnectorError, z } from '@sluice/core/driver';
import { quotedTable } from './identifier.js';

/** A table as configs name it: `orders`, `sales.orders`, `"with.dot"`. */
export const tableName: z.ZodString = z.string().superRefine((text, context) => {
  try {
    quotedTable(text);
  } catch (error) {
    if (!isConnectorError(error)) throw error;
    context.addIssue({ code: 'custom', message: error.message });
  }
});
