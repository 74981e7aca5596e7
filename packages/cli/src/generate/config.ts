import { z } from '@sluice/core/driver';
import { placeholders } from './payload.js';

/** Config of the generate source. */
export const GenerateSourceConfig = z
  .strictObject({
    rate: z.number().positive().optional().describe('Messages per second; left out, as many as the pipeline takes.'),
    count: z
      .int()
      .positive()
      .optional()
      .describe('How many messages there are, restarts included; left out, the source never ends.'),
    seed: z.int().nonnegative().default(1).describe('The same seed gives the same keys and payloads.'),
    size: z
      .int()
      .positive()
      .max(32_768)
      .default(100)
      .describe('Bytes of each payload, random letters and digits. Does not apply to a template.'),
    template: z
      .string()
      .superRefine((template, context) => {
        for (const message of placeholders(template).problems) context.addIssue({ code: 'custom', message });
      })
      .optional()
      .describe(
        'Text of each payload: `{index}` counts from 0, `{random}` is from 0 to 1, `{random:10:30}` a whole number from 10 to 30.',
      ),
    topic: z.string().optional().describe('Topic of each message; none when left out.'),
  })
  .describe('Messages made by counting: for trying things out and for measuring.');

/** What the generate source runs with. */
export type GenerateSourceConfig = z.output<typeof GenerateSourceConfig>;
