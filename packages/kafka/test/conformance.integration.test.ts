import { conformance } from '@sluice/testkit';
import { openKafkaHarness } from './conformance-harness.js';

conformance(() => openKafkaHarness({ grouped: true, source: {} }), {
  title: 'a source that is a member of a group',
});

conformance(() => openKafkaHarness({ source: {} }), {
  title: 'a source whose positions the engine keeps',
});

conformance(() => openKafkaHarness({ source: { bounded: true } }), {
  title: 'a source that ends where its topics end',
});

conformance(() => openKafkaHarness({ sink: {} }), {
  title: 'an idempotent sink',
});
