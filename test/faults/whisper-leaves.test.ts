import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixturePath } from '../support/audio-fixtures.ts';
import { writeGgmlWhisper } from '../support/ggml-whisper.ts';
import { startTestServer, type TestServer } from '../support/test-server.ts';
import { hasWhisperBinding, WHISPER_PACKAGE } from '../support/whisper-binding.ts';
import { cpuSeconds, hasProcessTable, isAtRest } from './support/process-table.ts';

const MODEL = 'acme/slow';
/** R11 in /docs/reliability.md: while inferring by kill. */
const DEADLINE_MS = 5000;

describe.skipIf(!hasWhisperBinding || !hasProcessTable)(
  `a client that leaves while Whisper computes (needs ${WHISPER_PACKAGE} and /proc)`,
  () => {
    let server: TestServer;
    let folder: string;
    let recording: Blob;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'steno-slow-'));
      const path = join(folder, 'slow.bin');
      await writeGgmlWhisper(path, { encoderLayers: 20, textContext: 448 });
      server = await startTestServer({
        transcriber: 'real',
        config: { engineProcesses: 1, engineExpress: false, whisperThreads: 1 },
      });
      await server.services.library.importModel({
        path,
        as: MODEL,
        engine: 'whisper-cpp',
        languages: ['en', 'zh', 'de', 'fr'],
        licence: 'MIT',
      });
      recording = new Blob([await readFile(fixturePath('jfk.wav'))]);
    });
    afterAll(async () => {
      await server.close();
      await rm(folder, { recursive: true });
    });

    async function transcribe(
      fields: Readonly<Record<string, string>>,
      signal?: AbortSignal,
    ): Promise<Response> {
      const body = new FormData();
      for (const [name, value] of Object.entries({ model: MODEL, language: 'de', ...fields }))
        body.set(name, value);
      body.set('file', recording, 'jfk.wav');
      return fetch(`${server.url}/v1/audio/transcriptions`, {
        method: 'POST',
        body,
        ...(signal && { signal }),
      });
    }

    it('frees the processor within 5 s, and the next request is served (R11)', async () => {
      expect((await transcribe({})).status).toBe(200);
      const pid = server.services.pools.processIds[1] ?? 0;
      const before = cpuSeconds([pid]);
      const leaving = new AbortController();
      // The loop makes it give the longest answer, at every temperature.
      const left = transcribe({ prompt: 'loop' }, leaving.signal).catch((error: unknown) => error);
      await expect
        .poll(() => cpuSeconds([pid]) - before, { timeout: 30_000, interval: 20 })
        .toBeGreaterThan(0.3);
      leaving.abort();
      expect(await left).toBeInstanceOf(Error);
      await expect.poll(() => isAtRest(pid), { timeout: DEADLINE_MS, interval: 50 }).toBe(true);
      const next = await transcribe({});
      expect(await next.json()).toMatchObject({ text: 'Guten Tag.' });
    });
  },
);
