import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  expectEnvelope,
  fakeRecording,
  filePart,
  postForm,
  type RawPart,
  textPart,
} from '../support/multipart.ts';
import { expectNothingInside } from '../support/nothing-inside.ts';
import { startTestServer, type TestServer } from '../support/test-server.ts';
import { byTier } from '../support/tier.ts';

const RUNS = byTier({ fast: 500, nightly: 10_000 });
const NAMES = [
  'model',
  'language',
  'languages[]',
  'prompt',
  'response_format',
  'temperature',
  'timestamp_granularities[]',
  'timestamp_granularities',
  'include[]',
  'stream',
  'chunking_strategy',
  'keywords[]',
  'hotwords',
  'max_line_width',
  'max_line_count',
  'vad_filter',
  'known_speaker_names[]',
  '__proto__',
  'constructor',
  'file[]',
  '',
  '[]',
];
const VALUES = [
  'whisper-1',
  'moonshine-tiny',
  'json',
  'verbose_json',
  'text',
  'srt',
  'vtt',
  'true',
  'false',
  'word',
  'segment',
  'logprobs',
  'auto',
  'en',
  '0',
  '0.5',
  '1',
  '-0',
  '1e999',
  '-1',
  'NaN',
  '999999999999999999999',
  '\0',
  '../../etc/passwd',
  '{"type":"server_vad"}',
  '[[[[[[[[',
  '{"__proto__":{"a":1}}',
  'null',
  'undefined',
  ' ',
  '\u202e\ud83d\ude00',
  'x'.repeat(70_000),
];

const field = fc
  .tuple(
    fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...NAMES) }, fc.stringMatching(/^[\w.[\]-]{0,20}$/)),
    fc.oneof(
      { weight: 7, arbitrary: fc.constantFrom(...VALUES) },
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.json({ maxDepth: 3 }),
    ),
  )
  .map(([name, value]) => textPart(name, value));
const form = fc.tuple(fc.array(field, { maxLength: 8 }), fc.nat(8), fc.boolean());

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

describe('E28 every parameter', () => {
  it(`gives 2xx or 4xx of the right shape for ${RUNS} forms, and leaves nothing behind`, {
    timeout: 600_000,
  }, async () => {
    const tally = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(form, async ([fields, place, withFile]) => {
        const parts: RawPart[] = [...fields];
        if (withFile) parts.splice(place, 0, filePart(fakeRecording(0.1)));
        const startMs = performance.now();
        const answer = await postForm(server.url, { parts });
        // As for damaged media: none hangs.
        expect(performance.now() - startMs).toBeLessThan(30_000);
        tally.set(answer.status, (tally.get(answer.status) ?? 0) + 1);
        if (answer.status !== 200) {
          expect(answer.status).toBeGreaterThanOrEqual(400);
          expect(answer.status).toBeLessThan(500);
          expectEnvelope(answer, { status: answer.status });
          // What the client itself has sent may come back.
          expectNothingInside(answer.text.replaceAll('../../etc/passwd', ''));
        }
      }),
      { numRuns: RUNS },
    );
    console.log('E28:', Object.fromEntries(tally));
    expect(tally.get(200) ?? 0).toBeGreaterThan(0);
    await expect.poll(() => server.services.admission.size).toBe(0);
    await expect.poll(() => server.scratchFiles()).toEqual([]);
  });
});
