import { ConnectorError } from '@sluice/core/driver';
import { describe, expect, it } from 'vitest';
import { brokerError } from '../src/connection/broker-error.js';
import { classifyKafkaError, protocolTypeOf } from '../src/error.js';

describe('errors of Kafka', () => {
  it.each([
    [3, 'not_found'],
    [6, 'not_connected'],
    [7, 'timeout'],
    [10, 'message_too_large'],
    [1, 'position_lost'],
    [19, 'resource_exhausted'],
    [20, 'resource_exhausted'],
    [25, 'lease_lost'],
    [29, 'permission_denied'],
    [32, 'message_invalid'],
    [45, 'conflict'],
    [47, 'fenced'],
    [51, 'conflict'],
    [53, 'permission_denied'],
    [58, 'unauthenticated'],
    [87, 'message_invalid'],
    [89, 'rate_limited'],
    [90, 'fenced'],
  ])('with code %i are %s', (native, code) => {
    expect(classifyKafkaError(brokerError(native, { topic: 'orders' }))?.code).toBe(code);
  });

  it('name the topic and the partition that they are about, and what to do', () => {
    const text = classifyKafkaError(brokerError(19, { topic: 'orders', partition: 3 }))?.message;
    expect(text).toBe(
      'partition 3 of topic "orders" has fewer replicas in sync than min.insync.replicas; bring its brokers back',
    );
    expect(classifyKafkaError(brokerError(3, { topic: 'orders' }))?.message).toContain('topic "orders" does not exist');
  });

  it('are known by their cause when they were wrapped after the last retry', () => {
    const wrapped = new Error('gave up', { cause: brokerError(58) });
    expect(classifyKafkaError(wrapped)?.code).toBe('unauthenticated');
    const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    expect(classifyKafkaError(new Error('gave up', { cause: refused }))?.code).toBe('not_connected');
  });

  it('keep the code that they have already, whatever their cause is', () => {
    const error = new ConnectorError('conflict', 'late', { cause: brokerError(47) });
    expect(classifyKafkaError(error)).toMatchObject({ code: 'conflict', message: 'late' });
  });

  it.each([
    'SELF_SIGNED_CERT_IN_CHAIN',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'CERT_HAS_EXPIRED',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
  ])('are about credentials when TLS says %s', (code) => {
    expect(classifyKafkaError(Object.assign(new Error('tls'), { code }))?.code).toBe('unauthenticated');
  });

  it('are left to the engine when nothing is known of them', () => {
    expect(classifyKafkaError(new Error('what?'))).toBeUndefined();
    expect(protocolTypeOf(new Error('what?'))).toBeUndefined();
  });
});
