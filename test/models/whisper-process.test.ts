import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { toPcm } from '../../src/engines/whisper-cpp/pcm.ts';
import { end, forkInferenceProcess, send } from '../../src/scheduler/inference-child.ts';
import type { FromProcess, ModelSetup, TranscribeTask } from '../../src/scheduler/inference-protocol.ts';
import { WHISPER_SAYS, writeGgmlWhisper } from '../support/ggml-whisper.ts';
import { toneSamples } from '../support/tones.ts';
import { hasWhisperBinding, WHISPER_PACKAGE } from '../support/whisper-binding.ts';

const MODEL = 'tone-whisper';
const LONG_SECONDS = 600;

let folder: string;
let child: ChildProcess | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'steno-whisper-process-'));
  await writeGgmlWhisper(join(folder, 'model', 'model.bin'));
  await writeFile(join(folder, 'sound.pcm'), Buffer.from(toPcm(toneSamples(1200, LONG_SECONDS))));
  return () => rm(folder, { recursive: true });
});
afterEach(() => end(child));

/** A process with the model of a folder, and its messages as they come. */
function start(more: Partial<ModelSetup> = {}): AsyncIterator<FromProcess> {
  const messages: FromProcess[] = [];
  const model: ModelSetup = {
    id: MODEL,
    engine: 'whisper-cpp',
    directory: join(folder, 'model'),
    architecture: 'whisper',
    languages: ['en', 'zh', 'de', 'fr'],
    abilities: { translate: true, words: true, prompt: true },
    threads: 1,
    ...more,
  };
  const setup = { cacheDirectory: join(folder, 'cache'), models: [model] };
  child = forkInferenceProcess({ setup, stepsBack: false });
  child.stderr?.resume();
  child.on('message', (message: FromProcess) => messages.push(message));
  const forked = child;
  return {
    async next() {
      while (messages.length === 0) await once(forked, 'message');
      const value = messages.shift();
      if (value === undefined) throw new Error('no message');
      return { value };
    },
  };
}

async function until(
  messages: AsyncIterator<FromProcess>,
  isIt: (message: FromProcess) => boolean,
): Promise<FromProcess> {
  while (true) {
    const { value } = await messages.next();
    if (isIt(value)) return value;
  }
}

function task(seconds: number, more: Pick<TranscribeTask, 'language' | 'task'> = {}): TranscribeTask {
  return {
    kind: 'transcribe',
    model: MODEL,
    pcm: { path: join(folder, 'sound.pcm'), offsetBytes: 0 },
    startSample: 0,
    endSample: seconds * 16_000,
    paddingBefore: 0,
    paddingAfter: 0,
    speechSecond: seconds,
    temperature: 0,
    ...more,
  };
}

describe.skipIf(!hasWhisperBinding)(
  `an inference process with a whisper.cpp model (needs ${WHISPER_PACKAGE})`,
  () => {
    it('loads it, transcribes, and takes language and task with it', async () => {
      const messages = start();
      const ready = await until(messages, ({ type }) => type === 'ready');
      expect(ready).toMatchObject({ capabilities: { [MODEL]: { detectsLanguage: true, translate: true } } });
      if (child === undefined) return;
      send(child, { type: 'task', id: 1, task: task(3) });
      send(child, { type: 'task', id: 2, task: task(3, { language: 'fr', task: 'translate' }) });
      const results = [];
      while (results.length < 2) results.push(await until(messages, ({ type }) => type === 'result'));
      expect(results).toMatchObject([
        { id: 1, result: { hypothesis: { language: 'de', segments: WHISPER_SAYS.de } } },
        { id: 2, result: { hypothesis: { segments: WHISPER_SAYS.translated.fr } } },
      ]);
    });

    it('says that it lives while it computes, lingers on what was cancelled, and takes the next', async () => {
      const messages = start();
      await until(messages, ({ type }) => type === 'ready');
      if (child === undefined) return;
      send(child, { type: 'task', id: 1, task: task(LONG_SECONDS, { language: 'de' }) });
      expect(await until(messages, () => true)).toEqual({ type: 'alive', lingering: false });
      send(child, { type: 'cancel', id: 1 });
      await until(messages, (message) => message.type === 'alive' && message.lingering === true);
      send(child, { type: 'task', id: 2, task: task(3, { language: 'en' }) });
      const after: FromProcess[] = [];
      while (!after.some(({ type }) => type === 'result')) after.push(await until(messages, () => true));
      expect(after).toContainEqual({ type: 'alive', lingering: false });
      expect(after.at(-1)).toMatchObject({
        id: 2,
        result: { hypothesis: { text: 'Hello world. How are you?' } },
      });
    });

    it('tells when lingering ends with nothing else to do', async () => {
      const messages = start();
      await until(messages, ({ type }) => type === 'ready');
      if (child === undefined) return;
      send(child, { type: 'task', id: 1, task: task(240, { language: 'de' }) });
      await until(messages, ({ type }) => type === 'alive');
      send(child, { type: 'cancel', id: 1 });
      await until(messages, (message) => message.type === 'alive' && message.lingering === true);
      await until(messages, (message) => message.type === 'alive' && message.lingering === false);
    });

    it('gives its memory back when it is ended, in the middle of a chunk too', async () => {
      const messages = start();
      await until(messages, ({ type }) => type === 'ready');
      if (child === undefined) return;
      send(child, { type: 'task', id: 1, task: task(LONG_SECONDS) });
      await until(messages, ({ type }) => type === 'alive');
      const startMs = performance.now();
      await end(child);
      expect(performance.now() - startMs).toBeLessThan(2000);
    });

    it.each<[string, (model: Buffer) => Buffer, Partial<ModelSetup>, string]>([
      ['another kind of file', () => Buffer.from('RIFF'), {}, 'expected a ggml model file'],
      [
        'a file that is cut off',
        (model) => model.subarray(0, -1),
        {},
        'the model file is damaged: it ends after',
      ],
      ['the other architecture', (model) => model, { architecture: 'parakeet' }, 'got a Whisper model'],
      [
        'a build that is not installed',
        (model) => model,
        { variant: 'vulkan' },
        '-vulkan, which is not installed',
      ],
    ])('tells why it cannot load %s, and ends', async (name, change, more, reason) => {
      const directory = join(folder, name);
      await mkdir(directory);
      await writeFile(
        join(directory, 'model.bin'),
        change(await readFile(join(folder, 'model', 'model.bin'))),
      );
      const messages = start({ ...more, directory });
      const gone = child === undefined ? undefined : once(child, 'exit');
      onTestFinished(() => rm(directory, { recursive: true }));
      const told = await until(messages, () => true);
      expect(told).toMatchObject({ type: 'load-failed', message: expect.stringContaining(reason) });
      expect(JSON.stringify(told)).not.toContain(folder);
      expect(await gone).toEqual([1, null]);
    });
  },
);
