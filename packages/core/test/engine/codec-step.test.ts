import { describe, expect, it } from 'vitest';
import { codecOf } from '../../src/codec/codecs.js';
import { decodeStep, encodeStep } from '../../src/engine/codec-step.js';
import { runSteps } from '../../src/engine/flow.js';
import { createMessage, type Message, type Value } from '../../src/message.js';

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

describe('decoding what a source gives', () => {
  it('decodes the bytes among values and nulls, in their place, and copies nothing where there are none', () => {
    const values = [{ a: 1 }, null].map((payload) => createMessage({ payload }));
    const bytes = createMessage({ payload: Buffer.from('[2]') });
    const steps = [decodeStep(codecOf('json'))];
    const decode = (messages: readonly Message[]): unknown => runSteps({ messages, origins: undefined }, steps, []);
    expect(decode([...values, bytes])).toMatchObject({ messages: [...values, { payload: [2] }] });
    expect(steps[0]?.passes?.(values)).toBe(true);
  });
});
