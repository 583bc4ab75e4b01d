import { describe, expect, it } from 'vitest';
import { EngineCrashedError, InvalidRequestError, QueueFullError, StenographerError } from '../errors.ts';
import { errorAnswer } from './error-response.ts';

describe('errorAnswer', () => {
  it('gives a refused field its status, param and code', () => {
    expect(errorAnswer(new InvalidRequestError('temperature', 'It must be a number.'))).toEqual({
      status: 400,
      headers: {},
      body: {
        error: {
          message: 'It must be a number.',
          type: 'invalid_request_error',
          param: 'temperature',
          code: 'invalid_value',
        },
      },
    });
  });

  it('hides what it does not know', () => {
    for (const thrown of [
      new Error('secret'),
      new TypeError('secret'),
      'secret',
      undefined,
      { code: 'FST_SECRET' },
    ]) {
      const { status, body } = errorAnswer(thrown);
      expect(status).toBe(500);
      expect(JSON.stringify(body)).not.toMatch(/secret/i);
    }
  });

  it('tells when to come back, never later than a minute', () => {
    expect(errorAnswer(new QueueFullError(3)).headers).toEqual({
      'retry-after': '2',
      'retry-after-ms': '2000',
    });
    const late = new StenographerError('engine_unavailable', 'x', { retryAfterSecond: 900 });
    expect(errorAnswer(late)).toMatchObject({ status: 503, headers: { 'retry-after': '60' } });
    expect(errorAnswer(new StenographerError('queue_timeout', 'x')).headers).toHaveProperty('retry-after');
  });

  it('asks clients not to repeat what crashed the engine', () => {
    expect(errorAnswer(new EngineCrashedError(3))).toMatchObject({
      status: 500,
      headers: { 'x-should-retry': 'false' },
    });
  });

  it('calls a full disk 507', () => {
    const full = Object.assign(new Error('ENOSPC: no space left, write /data/x'), { code: 'ENOSPC' });
    const answer = errorAnswer(full);
    expect(answer).toMatchObject({ status: 507, headers: { 'retry-after': '30' } });
    expect(answer.body.error.message).not.toContain('/data');
  });
});
