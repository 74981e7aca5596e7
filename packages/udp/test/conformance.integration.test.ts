import { conformance } from '@sluice/testkit';
import { udpHarness } from './conformance-harness.js';

conformance(async () => udpHarness(), { title: 'UDP conforms' });
