import { conformance } from '@sluice/testkit';
import { fileHarness, lengthPrefixed, lines } from './conformance-harness.js';

const quickly = { pollIntervalMs: 20, scanIntervalMs: 50, rotateWaitMs: 200 };

conformance(async () => fileHarness({ format: lines, source: { follow: true, ...quickly }, sink: { atomic: true } }), {
  title: 'files of lines that are followed, and are written with their positions',
});

conformance(async () => fileHarness({ format: lengthPrefixed, source: {}, sink: { atomic: false } }), {
  title: 'files with lengths that are read to their end, and are appended to',
});
