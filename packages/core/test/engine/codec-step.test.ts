import { describe, expect, it } from 'vitest';
import { codecOf } from '../../src/codec/codecs.js';
import { encodeStep } from '../../src/engine/codec-step.js';
import { runSteps } from '../../src/engine/flow.js';
import { createMessage, type Value } from '../../src/message.js';

function encoded(codec: 'json' | 'base64', payloads: readonly Value[]): unknown {
  const messages = payloads.map((payload) => createMessage({ payload }));
  const flow = runSteps({ messages, origins: undefined }, [encodeStep(codecOf(codec))], []);
  return {
    same: 'messages' in flow && flow.messages === messages,
    payloads: 'messages' in flow && flow.messages.map(text),
  };
}

function text({ payload }: { readonly payload: Value }): string | null {
  return payload === null ? null : Buffer.from(payload as Uint8Array).toString(); // it was encoded
}

describe('encoding for a sink of bytes', () => {
  it('passes a batch of bytes and nulls on without copying it', () => {
    expect(encoded('json', [Buffer.from('raw'), null])).toEqual({ same: true, payloads: ['raw', null] });
  });

  it('encodes the values among bytes and nulls, in their place', () => {
    expect(encoded('json', [Buffer.from('raw'), { a: 1 }, null, 'last'])).toEqual({
      same: false,
      payloads: ['raw', '{"a":1}', null, '"last"'],
    });
  });

  it('encodes bytes too where the codec gives them another form', () => {
    expect(encoded('base64', [Buffer.from('raw'), null])).toEqual({ same: false, payloads: ['cmF3', null] });
  });
});
