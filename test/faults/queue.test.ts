import { afterEach, describe, expect, it } from 'vitest';
import { expectEnvelope } from '../support/multipart.ts';
import { byTier, isNightly } from '../support/tier.ts';
import {
  type StubServer,
  type StubServerOptions,
  scripted,
  startStubServer,
} from './support/running-server.ts';

let server: StubServer | undefined;

async function start(settings: StubServerOptions['settings']): Promise<StubServer> {
  server = await startStubServer({ settings: settings ?? {} });
  return server;
}

afterEach(() => server?.stop());

describe('R8 overload (E9)', () => {
  it('accepts exactly the limit out of 40 at once, ten times, and refuses the others in less than 100 ms', async () => {
    const { post } = await start({ STENO_MAX_QUEUE: '9', STUB_ANSWER_MS: '500', STUB_BATCH: '9' });
    const recording = scripted(['answer', 0.2]);
    await Promise.all(Array.from({ length: 9 }, () => post(recording)));
    const refusalsMs: number[] = [];
    for (let round = 0; round < 10; round += 1) {
      const answers = await Promise.all(
        Array.from({ length: 40 }, async () => {
          const startMs = performance.now();
          const answer = await post(recording);
          return { answer, tookMs: performance.now() - startMs };
        }),
      );
      const refused = answers.filter(({ answer }) => answer.status !== 200);
      expect({ round, refused: refused.length }).toEqual({ round, refused: 31 });
      for (const { answer, tookMs } of refused) {
        expectEnvelope(answer, { status: 503, code: 'queue_full' });
        expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
        refusalsMs.push(tookMs);
      }
    }
    refusalsMs.sort((a, b) => a - b);
    const p99 = refusalsMs[Math.floor(refusalsMs.length * 0.99)] ?? 0;
    console.log(
      `R8: refusals p50 ${refusalsMs[155]?.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms of ${refusalsMs.length}`,
    );
    // The server alone: 40 clients of one test process wait for each other too, and for whatever else this machine does.
    expect(p99).toBeLessThan(byTier({ fast: 250, nightly: 100 }));
  });
});

describe('R9 waiting has a deadline', () => {
  const limits = isNightly ? [1, 60] : [1];

  it.each(limits)(
    'a request behind a long job gets queue_timeout after %i s, and its upload is deleted',
    { timeout: 300_000 },
    async (limit) => {
      const { post, scratch } = await start({
        STENO_MAX_QUEUE_SECONDS: String(limit),
        STUB_TAKE_MS: String(limit * 1200),
      });
      const running = post(scripted(['take', 1.5]));
      // The folder of the upload with the upload in it, and that of the decoded sound.
      await expect.poll(() => scratch().length).toBe(3);
      const before = scratch().length;
      const startMs = performance.now();
      const late = await post(scripted('answer'));
      const seconds = (performance.now() - startMs) / 1000;
      const message = expectEnvelope(late, { status: 503, code: 'queue_timeout' });
      expect(message).toContain('STENO_MAX_QUEUE_SECONDS');
      expect(late.headers.get('retry-after')).not.toBeNull();
      expect(Math.abs(seconds - limit)).toBeLessThan(1);
      expect(scratch().length).toBeLessThanOrEqual(before);
      expect((await running).status).toBe(200);
      expect(scratch()).toEqual([]);
    },
  );
});

describe('R10 fairness', () => {
  it('a key that sends one job does not wait behind the twenty of another', async () => {
    const { post } = await start({
      STENO_API_KEYS: 'sk-fault-key-aaaaaaaa,sk-fault-key-bbbbbbbb',
      STUB_TAKE_MS: '500',
    });
    const order: string[] = [];
    const send = async (key: string, name: string): Promise<void> => {
      const headers = { authorization: `Bearer sk-fault-key-${key.repeat(8)}` };
      const answer = await post(scripted(['take', 0.3]), { headers });
      expect(answer.status).toBe(200);
      order.push(name);
    };
    const all = Array.from({ length: 20 }, (_, index) => send('a', `a${index}`));
    await expect.poll(() => order.length, { interval: 10 }).toBeGreaterThan(0);
    const before = order.length;
    await Promise.all([...all, send('b', 'b')]);
    // One job is at work when it comes, and one more may have been given out while it was uploaded.
    expect(order.indexOf('b') - before).toBeLessThanOrEqual(2);
  });

  it('a short request passes the chunks of a long one', async () => {
    const { post, scratch } = await start({ STUB_TAKE_MS: '800' });
    const long = post(scripted(...Array.from({ length: 6 }, () => ['take', 0.5] as const)));
    await expect.poll(() => scratch().length).toBe(3);
    const startMs = performance.now();
    expect((await post(scripted('answer'))).status).toBe(200);
    const tookMs = performance.now() - startMs;
    // Those of the long one take 3 s together.
    expect((await Promise.race([long, 'still running'])) === 'still running').toBe(true);
    expect(tookMs).toBeLessThan(2000);
    expect((await long).status).toBe(200);
  });
});
