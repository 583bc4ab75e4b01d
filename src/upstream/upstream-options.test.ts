import { describe, expect, it } from 'vitest';
import { isPrivateHost, routesSchema, upstreamsSchema } from './upstream-options.ts';

function problems(upstream: object, name = 'hosted'): string {
  const parsed = upstreamsSchema.safeParse({ [name]: upstream });
  return parsed.success ? '' : JSON.stringify(parsed.error.issues);
}

describe('upstreamsSchema', () => {
  it('needs no more than an address', () => {
    expect(upstreamsSchema.parse({ openai: { baseUrl: 'https://api.openai.com/v1' } }).openai).toMatchObject({
      retries: 2,
      maxConcurrent: 8,
      timeoutSeconds: 600,
    });
  });

  it.each([
    ['not-a-url', /must be an http/],
    ['ftp://host/v1', /must be an http/],
    ['https://user:pass@host/v1', /user name or password/],
    ['https://host/v1?key=abc', /without \? and #/],
    ['https://host/v1/audio/transcriptions', /before \/audio\/transcriptions/],
    ['http://8.8.8.8/v1', /plain HTTP/],
    ['http://api.openai.com/v1', /plain HTTP/],
  ])('refuses the address %s', (baseUrl, message) => {
    expect(problems({ baseUrl })).toMatch(message);
  });

  it('takes plain HTTP inside, and outside when told to', () => {
    for (const host of ['127.0.0.1:8080', '[::1]:1', '10.1.2.3', 'whisper:8000', 'gpu.local', '192.168.1.9'])
      expect(problems({ baseUrl: `http://${host}/v1` })).toBe('');
    expect(problems({ baseUrl: 'http://api.example.com/v1', allowHttp: true })).toBe('');
  });

  it('refuses a key where the name of a variable belongs, and settings nobody knows', () => {
    expect(problems({ baseUrl: 'https://host/v1', apiKeyEnv: 'sk-proj-abc' })).toMatch(/not the key itself/);
    expect(problems({ baseUrl: 'https://host/v1', apiKey: 'sk-proj-abc' })).toMatch(/apiKey/);
    expect(problems({ baseUrl: 'https://host/v1', apiKey: 'sk-proj-abc' })).not.toMatch(/sk-proj/);
    expect(problems({ baseUrl: 'https://host/v1' }, 'a/b')).toMatch(/names of upstreams/);
  });
});

describe('routesSchema', () => {
  it('needs a target for each name', () => {
    expect(routesSchema.safeParse({ a: [] }).success).toBe(false);
    expect(routesSchema.safeParse({ a: ['b/c', 'd'] }).success).toBe(true);
    expect(routesSchema.safeParse({ a: 'b' }).success).toBe(false);
  });
});

describe('isPrivateHost', () => {
  it.each(['8.8.8.8', '172.32.0.1', '192.169.0.1', '100.128.0.1', '2001:db8::1', 'example.com', '1.1.1.1.'])(
    '%s is public',
    (host) => expect(isPrivateHost(host)).toBe(false),
  );
  it.each(['172.16.0.1', '172.31.9.9', '169.254.1.1', '100.64.0.1', '[fd00::1]', 'fe80::1', 'a.internal'])(
    '%s is private',
    (host) => expect(isPrivateHost(host)).toBe(true),
  );
});
