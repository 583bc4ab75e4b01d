import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixturePath } from '../support/audio-fixtures.ts';
import { filePart, postForm } from '../support/multipart.ts';
import { writeRenamedMoonshine } from '../support/renamed-moonshine.ts';
import { startTestServer, type TestServer } from '../support/test-server.ts';

/** Has no hashes in the catalogue, so that other files can stand for its own: they hear English. */
const MODEL = 'moonshine-tiny-ar';

let server: TestServer;
let folder: string;
const lines: Record<string, unknown>[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'steno-published-api-'));
  await writeRenamedMoonshine(join(folder, 'files'));
  server = await startTestServer({
    transcriber: 'real',
    config: { engineProcesses: 1 },
    log: (line) => lines.push(JSON.parse(line) as Record<string, unknown>),
  });
});

afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

async function transcribe(fields: Readonly<Record<string, string>>) {
  const file = filePart(await readFile(fixturePath('jfk.wav')));
  const answer = await postForm(server.url, { fields: { model: MODEL, ...fields }, file });
  expect(answer.status, answer.text).toBe(200);
  return answer;
}

describe('an imported Moonshine that only its own graphs can run', () => {
  it('transcribes like any other model, and the log says how it runs', async () => {
    await server.services.library.importModel({ path: join(folder, 'files'), as: MODEL });
    const { text } = await transcribe({ language: 'ar', response_format: 'verbose_json' });
    const body = JSON.parse(text) as { text: string; language: string; segments: { text: string }[] };
    expect(body.text).toMatch(/ask not what your country can do for you/i);
    expect(body.language).toBe('arabic');
    expect(body.segments.length).toBeGreaterThan(0);
    expect(lines.find(({ model, level }) => model === MODEL && level === 40)).toMatchObject({
      msg: expect.stringMatching(/^the published graphs are run as they are, which is slower: decoder_model/),
    });
    const listed = (await (await fetch(`${server.url}/v1/models/${MODEL}`)).json()) as object;
    expect(listed).toMatchObject({ state: 'loaded', languages: ['ar'] });
  });

  it('writes subtitles, with times of segments; times of words are refused', async () => {
    const { text } = await transcribe({ response_format: 'srt' });
    expect(text).toMatch(/^1\n00:00:00,\d{3} --> 00:00:\d\d,\d{3}\n/);
    const file = filePart(await readFile(fixturePath('jfk.wav')));
    const fields = { model: MODEL, response_format: 'verbose_json', 'timestamp_granularities[]': 'word' };
    const refused = await postForm(server.url, { fields, file });
    expect(refused.status).toBe(400);
    expect(refused.text).toContain('has no word times');
  });

  it('takes several recordings at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => transcribe({ response_format: 'text' })),
    );
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  });
});
