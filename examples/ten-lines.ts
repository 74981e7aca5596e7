// A pipeline in ten lines of code, without CLI and config file: Fahrenheit in, Celsius out, effectively once.
// Run it: node ten-lines.ts
import { map, pipeline, withPayload } from '@sluice/core';
import { file } from '@sluice/file';

const celsius = pipeline({
  name: 'ten-lines',
  source: file.source({ path: 'data/fahrenheit.txt' }, { codec: 'json' }),
  transforms: [map((message) => withPayload(message, Math.round((Number(message.payload) - 32) / 0.18) / 10))],
  sink: file.sink({ path: 'out/celsius.txt' }),
});
console.log(celsius.guarantee.summary);
console.log((await celsius.run()).written, 'lines written');
