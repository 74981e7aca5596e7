import { conformance } from '@sluice/testkit';
import { openKafkaHarness } from './conformance-harness.js';

// A file of its own, because the processes that it kills take as long as all other modes together.
conformance(() => openKafkaHarness({ sink: { transactional: true } }), {
  title: 'a transactional sink',
});
