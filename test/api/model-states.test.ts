import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeGgmlWhisper } from '../support/ggml-whisper.ts';
import { filePart, postForm } from '../support/multipart.ts';
import { startTestServer, type TestServer } from '../support/test-server.ts';

const JFK = fileURLToPath(new URL('../fixtures/audio/jfk.wav', import.meta.url));
const MODEL = 'own/tiny-test';

let server: TestServer;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'steno-model-states-'));
  await writeGgmlWhisper(join(folder, 'ggml-own.bin'));
  server = await startTestServer({ transcriber: 'real', config: { engineProcesses: 1 } });
});

afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

async function stateOf(name: string): Promise<string | undefined> {
  const response = await fetch(`${server.url}/v1/models/${name}`);
  if (response.status === 404) return undefined;
  const body = (await response.json()) as { state: string };
  return body.state;
}

async function listed(): Promise<string[]> {
  const body = (await (await fetch(`${server.url}/v1/models`)).json()) as { data: { id: string }[] };
  return body.data.map(({ id }) => id);
}

describe('GET /v1/models of a server with a model of its own', () => {
  it('follows the model from its import over its first use to its removal, without a restart', async () => {
    expect(await stateOf('whisper-1')).toBe('loaded');
    expect(await stateOf(MODEL)).toBeUndefined();

    await server.services.library.importModel({
      path: join(folder, 'ggml-own.bin'),
      as: MODEL,
      engine: 'whisper-cpp',
      languages: ['en', 'zh', 'de', 'fr'],
    });
    expect(await listed()).toContain(MODEL);
    expect(await stateOf(MODEL)).toBe('ready');

    const recording = filePart(await readFile(JFK));
    const transcription = postForm(server.url, { fields: { model: MODEL, language: 'de' }, file: recording });
    await expect.poll(() => stateOf(MODEL), { timeout: 30_000, interval: 20 }).toMatch(/loading|loaded/);
    const answer = await transcription;
    expect(answer.status, answer.text).toBe(200);
    expect(await stateOf(MODEL)).toBe('loaded');

    await server.services.library.remove(MODEL);
    expect(await listed()).not.toContain(MODEL);
    expect(await stateOf(MODEL)).toBeUndefined();
  }, 120_000);
});
