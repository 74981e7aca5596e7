import { describe, expect, it } from 'vitest';
import type { CodecName } from '../../src/codec/codec.js';
import { codecNames, codecOf } from '../../src/codec/codecs.js';
import { jsonCodec } from '../../src/codec/json.js';
import { createMessage } from '../../src/message.js';

describe('choosing a codec', () => {
  it('finds every codec by its name', () => {
    expect(codecNames.map((name) => codecOf(name).name)).toEqual([...codecNames]);
  });

  it('takes a codec as it is', () => {
    const own = { ...jsonCodec, name: 'own' };
    expect(codecOf(own)).toBe(own);
  });

  it.each(['avro', 'toString'])('refuses %s and names the possible ones', (name) => {
    // What a caller without types may pass.
    expect(() => codecOf(name as CodecName)).toThrow(
      expect.objectContaining({
        code: 'config_invalid',
        message: `there is no codec "${name}": use one of bytes, text, json, base64, change`,
      }),
    );
  });

  it('keeps changes with the change codec alone', () => {
    expect(codecNames.filter((name) => codecOf(name).keepsChanges)).toEqual(['change']);
  });
});

describe('bytes codec', () => {
  const codec = codecOf('bytes');

  it('gives the very bytes that came', () => {
    const bytes = Uint8Array.of(0, 255);
    expect(codec.decode(bytes, createMessage({}))).toBe(bytes);
    expect(codec.encode(createMessage({ payload: bytes }))).toBe(bytes);
  });

  it('writes a string as UTF-8 and a structure as JSON', () => {
    expect(codec.encode(createMessage({ payload: 'é' }))).toEqual(Buffer.from('é'));
    expect(codec.encode(createMessage({ payload: [1n] }))).toEqual(Buffer.from('["1"]'));
  });
});
