import { closeSync, openSync, readSync } from 'node:fs';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Hypothesis } from '../engines/engine.ts';
import { promptOf } from '../engines/whisper-cpp/prompt.ts';
import { AbortedError } from '../errors.ts';
import { CATALOG, type ModelEntry } from '../models/catalog.ts';
import { createModelRegistry } from '../models/registry.ts';
import type { DetectTask, InferenceTask, PcmRange, TranscribeTask } from '../scheduler/inference-protocol.ts';
import type { SubmitOptions } from '../scheduler/scheduler-options.ts';
import type { Transcript } from '../transcript.ts';
import { openScratchSpace, type ScratchSpace } from '../util/scratch-space.ts';
import { FRAME_SAMPLES } from '../vad/frames.ts';
import type { LocalTranscriberOptions } from './find-speech.ts';
import { createLocalTranscriber } from './local-transcriber.ts';
import { collectTranscript, type TranscribeOptions, type TranscriptEvent } from './transcriber.ts';

const SECOND = 16_000;

function catalogued(id: string): ModelEntry {
  const model = CATALOG.models.find((entry) => entry.id === id);
  if (model === undefined) throw new Error(`the catalogue has no ${id}`);
  return model;
}

const models = createModelRegistry({
  models: ['moonshine-tiny', 'whisper-small', 'whisper-large-v3-turbo', 'parakeet-tdt-0.6b-v3'].map(
    catalogued,
  ),
});

/** What the engine answers: by the value of the samples of a chunk's speech. */
type Script = (voice: number, task: TranscribeTask) => Partial<Hypothesis> | Error;

const NOTHING = { tokens: [], tokenEnds: [], logprobs: [], avgLogprob: 0, temperature: 0 };

let folder: string;
let scratch: ScratchSpace;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'steno-languages-'));
  scratch = await openScratchSpace(folder);
});

afterAll(async () => {
  await scratch.close();
  await rm(folder, { recursive: true, force: true });
});

/** A recording of voices (all samples of one value, 1..) for so many seconds each, 0 is silence. */
async function record(parts: readonly (readonly [voice: number, seconds: number])[]) {
  const samples = parts.flatMap(([voice, seconds]) => Array<number>(seconds * SECOND).fill(voice * 100));
  const data = Buffer.from(Int16Array.from(samples).buffer);
  const header = Buffer.alloc(44);
  header.write('RIFF', 0);
  header.writeUInt32LE(36 + data.length, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(SECOND, 24);
  header.writeUInt32LE(SECOND * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36);
  header.writeUInt32LE(data.length, 40);
  const path = join(folder, `${samples.length}-${parts.length}-${parts[0]?.[0]}.wav`);
  await writeFile(path, Buffer.concat([header, data]));
  return { path, sizeBytes: (await stat(path)).size };
}

function readSamples({ pcm, startSample, endSample }: PcmRange): Int16Array {
  const bytes = Buffer.alloc((endSample - startSample) * 2);
  const file = openSync(pcm.path, 'r');
  readSync(file, bytes, 0, bytes.length, pcm.offsetBytes + startSample * 2);
  closeSync(file);
  return new Int16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
}

function detect(task: DetectTask) {
  const samples = readSamples(task);
  const probabilities = Float32Array.from(
    { length: Math.ceil(samples.length / FRAME_SAMPLES) },
    (_, frame) => (samples[frame * FRAME_SAMPLES] === 0 ? 0 : 1),
  );
  return { kind: 'detect' as const, probabilities, state: task.state };
}

/** The scheduler's part that the transcriber uses, answering by a script. */
function scriptedScheduler(script: Script) {
  const tasks: TranscribeTask[] = [];
  return {
    tasks,
    async submit(task: InferenceTask, { signal }: SubmitOptions) {
      if (signal?.aborted) throw new AbortedError(signal.reason);
      if (task.kind === 'detect') return detect(task);
      tasks.push(task);
      const voice = (readSamples(task).find((sample) => sample !== 0) ?? 0) / 100;
      const answer = script(voice, task);
      if (answer instanceof Error) throw answer;
      return { kind: 'transcribe' as const, hypothesis: { ...NOTHING, text: '', ...answer } };
    },
  };
}

interface Run {
  readonly transcript: Transcript;
  readonly tasks: readonly TranscribeTask[];
  readonly events: readonly TranscriptEvent[];
}

async function transcribe(
  parts: Parameters<typeof record>[0],
  script: Script,
  request: Partial<TranscribeOptions> = {},
): Promise<Run> {
  const scheduler = scriptedScheduler(script);
  const options = {
    models,
    scheduler,
    // Where models are loaded on demand their pool is asked for; here it is the same one.
    pools: { lease: async () => ({ submit: scheduler.submit, release() {} }) },
    scratch,
    ffmpeg: { available: false, path: 'ffmpeg', guards: {} },
    maximumSeconds: 600,
    lookAhead: 8,
    maximumQueueSeconds: 60,
  } as unknown as LocalTranscriberOptions;
  const transcriber = createLocalTranscriber(options);
  const events: TranscriptEvent[] = [];
  const transcript = await collectTranscript(
    transcriber.transcribe(await record(parts), { model: 'whisper-small', ...request }),
    (event) => events.push(event),
  );
  return { transcript, tasks: scheduler.tasks, events };
}

const languagesOf = (tasks: readonly TranscribeTask[]) => tasks.map(({ language }) => language);

/** Voice 1 speaks German, 2 French; both say what they are. */
const polyglot: Script = (voice, { language }) => ({
  text: `Voice ${voice}.`,
  language: language ?? (voice === 1 ? 'de' : 'fr'),
});

const GAP = [0, 7] as const;

describe('the language of a recording', () => {
  it('is what the first chunk is heard to be, and fixed for all others', async () => {
    const { transcript, tasks, events } = await transcribe(
      [[0, 1], [1, 8], GAP, [2, 8], GAP, [1, 8]],
      polyglot,
    );
    expect(languagesOf(tasks)).toEqual([undefined, 'de', 'de']);
    expect(transcript).toMatchObject({ language: 'de', text: 'Voice 1. Voice 2. Voice 1.', warnings: [] });
    expect(events.filter(({ type }) => type === 'segment-final')).toHaveLength(3);
  });

  it('is told by the first chunk with enough speech, and segments come in order all the same', async () => {
    const { transcript, tasks } = await transcribe([[1, 1], GAP, [2, 8], GAP, [1, 8]], polyglot);
    expect(languagesOf(tasks)).toEqual([undefined, 'fr', 'fr']);
    expect(transcript).toMatchObject({ language: 'fr', text: 'Voice 1. Voice 2. Voice 1.' });
  });

  it('is told by a recording of one short word too', async () => {
    expect((await transcribe([[2, 1]], polyglot)).transcript.language).toBe('fr');
  });

  it('is told by the next chunk when the first fails or holds no words', async () => {
    for (const bad of [new Error('told to fail'), { text: '', language: 'nn' }]) {
      const script: Script = (voice, task) => (voice === 3 ? bad : polyglot(voice, task));
      const { transcript, tasks } = await transcribe([[3, 8], GAP, [1, 8], GAP, [2, 8]], script);
      expect(languagesOf(tasks)).toEqual([undefined, undefined, 'de']);
      expect(transcript).toMatchObject({ language: 'de', text: 'Voice 1. Voice 2.' });
    }
  });

  it('is a command when it is given', async () => {
    const { transcript, tasks } = await transcribe([[1, 8], GAP, [1, 8]], polyglot, { language: 'jv' });
    expect(languagesOf(tasks)).toEqual(['jw', 'jw']);
    expect(transcript).toMatchObject({ language: 'jw', warnings: [] });
  });

  it('is the first candidate when none of them is heard, with a warning', async () => {
    const script: Script = (voice, task) => ({ ...polyglot(voice, task), text: `In ${task.language}.` });
    const { transcript, tasks } = await transcribe([[1, 8], GAP, [1, 8]], script, {
      languages: ['nl', 'af'],
    });
    expect(languagesOf(tasks).filter((language) => language === undefined)).toHaveLength(1);
    expect(transcript).toMatchObject({ language: 'nl', text: 'In nl. In nl.' });
    expect(transcript.warnings).toEqual([expect.stringMatching(/heard german.*transcribed as dutch/)]);
    const among = await transcribe([[1, 8]], polyglot, { languages: ['nl', 'de'] });
    expect(among.transcript).toMatchObject({ language: 'de', warnings: [] });
    expect(among.tasks).toHaveLength(1);
  });

  it('is undetermined when nothing is said, and the given one if there is one', async () => {
    const silence = await transcribe([[0, 3]], polyglot);
    expect(silence.transcript).toMatchObject({ language: 'und', text: '', warnings: [] });
    expect((await transcribe([[0, 3]], polyglot, { language: 'de' })).transcript.language).toBe('de');
    expect((await transcribe([[0, 3]], polyglot, { model: 'moonshine-tiny' })).transcript.language).toBe(
      'en',
    );
  });

  it("is the model's own where it knows only one", async () => {
    const { transcript, tasks } = await transcribe([[1, 4]], () => ({ text: 'Hello.' }), {
      model: 'moonshine-tiny',
    });
    expect(transcript).toMatchObject({ language: 'en', warnings: [] });
    expect(languagesOf(tasks)).toEqual(['en']);
  });

  it('is never guessed for a model that hears many and names none', async () => {
    const parakeet = { model: 'parakeet-tdt-0.6b-v3' };
    const untold = await transcribe([[1, 8], GAP, [2, 8]], () => ({ text: 'Hallo.' }), parakeet);
    expect(untold.transcript).toMatchObject({ language: 'und', text: 'Hallo. Hallo.' });
    expect(untold.transcript.warnings).toEqual([expect.stringContaining('did not tell which language')]);
    const given = await transcribe([[1, 8]], () => ({ text: 'Hallo.' }), { ...parakeet, language: 'de' });
    expect(given.transcript.language).toBe('de');
    expect(given.transcript.warnings).toEqual([expect.stringContaining('chooses the language by itself')]);
  });

  it('that the model does not know is refused, and models that know it are named', async () => {
    await expect(
      transcribe([[1, 1]], polyglot, { model: 'moonshine-tiny', language: 'de' }),
    ).rejects.toMatchObject({
      code: 'unsupported_language',
      message: expect.stringMatching(/transcribes en only, not 'de'.*installed here: whisper-small/),
    });
    await expect(transcribe([[1, 1]], polyglot, { language: 'yue' })).rejects.toMatchObject({
      message: expect.stringMatching(/knows 99 languages, not 'yue'.*whisper-large-v3-turbo/),
    });
  });
});

describe('translation', () => {
  it('asks for English, and hears the language itself', async () => {
    const { transcript, tasks } = await transcribe([[1, 8], GAP, [1, 8]], polyglot, { task: 'translate' });
    expect(tasks.map(({ task }) => task)).toEqual(['translate', 'translate']);
    expect(languagesOf(tasks)).toEqual([undefined, 'de']);
    expect(transcript).toMatchObject({ task: 'translate', language: 'de' });
  });

  it('is refused by a model that cannot, and models that can are named', async () => {
    for (const model of ['moonshine-tiny', 'whisper-large-v3-turbo'])
      await expect(transcribe([[1, 1]], polyglot, { model, task: 'translate' })).rejects.toMatchObject({
        code: 'unsupported_value',
        message: expect.stringContaining('installed here: whisper-small'),
      });
  });
});

describe('what goes to the engine', () => {
  it('is the prompt as text for one that continues it, and names in it for one that prefers them', async () => {
    const request = { prompt: 'A talk by Ada Lovelace.', keywords: ['Babbage'] };
    const whisper = await transcribe([[1, 8], GAP, [1, 8]], polyglot, request);
    for (const task of whisper.tasks)
      expect(task).toMatchObject({
        prompt: 'A talk by Ada Lovelace.',
        bias: [{ text: 'Babbage', source: 'keyword' }],
      });
    const moonshine = await transcribe([[1, 4]], polyglot, { ...request, model: 'moonshine-tiny' });
    expect(moonshine.tasks[0]?.bias?.map(({ text }) => text)).toEqual(
      expect.arrayContaining(['Babbage', 'Ada Lovelace']),
    );
    expect(whisper.transcript.warnings).toEqual([]);
  });

  it('says when a prompt is longer than what counts of it', async () => {
    const { transcript } = await transcribe([[1, 4]], polyglot, { prompt: 'word '.repeat(300) });
    expect(transcript.warnings).toEqual([expect.stringContaining('longer than the 224 tokens')]);
  });

  it('says which keywords had no room, and hands the others to the engine', async () => {
    const keywords = Array.from({ length: 40 }, (_, index) => `Keyword-${10 + index}`);
    const { transcript, tasks } = await transcribe([[1, 4]], polyglot, { keywords });
    const used = tasks[0]?.bias?.map(({ text }) => text) ?? [];
    // 10 characters and what stands between them: 33 of them take 394.
    expect(used).toEqual(keywords.slice(0, 33));
    expect(promptOf({ bias: tasks[0]?.bias ?? [] })).toContain('Keyword-42.');
    expect(transcript.warnings).toEqual([
      expect.stringMatching(/^Of 40 keywords only the first 33 .*Left out: "Keyword-43", .*"Keyword-49"\.$/),
    ]);
    const moonshine = await transcribe([[1, 4]], polyglot, { keywords, model: 'moonshine-tiny' });
    expect(moonshine.tasks[0]?.bias).toHaveLength(40);
    expect(moonshine.transcript.warnings).toEqual([]);
  });

  it('says when a prompt is cut because keywords stand beside it, or for its characters', async () => {
    const prompt = 'A talk by Ada Lovelace. '.repeat(20);
    const beside = await transcribe([[1, 4]], polyglot, { prompt, keywords: ['Babbage'] });
    expect(beside.transcript.warnings).toEqual([expect.stringContaining('reads 400 characters of a prompt')]);
    expect((await transcribe([[1, 4]], polyglot, { prompt })).transcript.warnings).toEqual([]);
    const wide = await transcribe([[1, 4]], polyglot, { prompt: 'antidisestablishmentarianism '.repeat(50) });
    expect(wide.transcript.warnings).toEqual([expect.stringContaining('longer than the 1200 characters')]);
  });

  it('says what a model does not honour', async () => {
    const { transcript, tasks } = await transcribe([[1, 4]], polyglot, {
      model: 'parakeet-tdt-0.6b-v3',
      language: 'de',
      prompt: 'Names: Ada.',
      keywords: ['Ada'],
      temperature: 0.4,
      words: true,
      logprobs: true,
    });
    for (const word of ['prompt', 'keywords', 'temperature', 'log probabilities'])
      expect(transcript.warnings.join('\n')).toContain(word);
    expect(tasks[0]).not.toHaveProperty('prompt');
  });

  it('fills the windows of an engine that pays for whole ones, and leaves others as they are', async () => {
    const talk = Array.from({ length: 20 }, () => [[1, 3] as const, [0, 1.25] as const]).flat();
    const seconds = ({ tasks }: Run) =>
      tasks.map(({ startSample, endSample }) => (endSample - startSample) / SECOND);
    const windows = seconds(await transcribe(talk, polyglot));
    expect(windows.length).toBeLessThanOrEqual(4);
    for (const second of windows) expect(second).toBeLessThanOrEqual(30);
    const short = seconds(await transcribe(talk, polyglot, { model: 'moonshine-tiny' }));
    expect(short.length).toBeGreaterThanOrEqual(8);
    for (const second of short) expect(second).toBeLessThanOrEqual(12.6);
  });
});

describe("an engine's own segments", () => {
  it('stand in the transcript, in seconds of the recording', async () => {
    const { transcript } = await transcribe(
      [
        [0, 2],
        [1, 8],
      ],
      () => ({
        text: '你好。 世界。',
        language: 'zh',
        segments: [
          { text: '你好。', startSecond: 0.25, endSecond: 2 },
          { text: '世界。', startSecond: 3, endSecond: 30 },
        ],
      }),
    );
    expect(transcript.text).toBe('你好。世界。');
    const [first, last] = transcript.segments;
    expect(first?.startSecond).toBeCloseTo(1.95, 1);
    expect(last?.endSecond).toBeCloseTo(10, 1);
    expect(first?.tokens).toEqual([]);
  });
});

describe('a caller that leaves', () => {
  it('ends the work while chunks wait for the language', async () => {
    const abort = new AbortController();
    const script: Script = () => {
      abort.abort();
      return new AbortedError();
    };
    await expect(
      transcribe([[1, 8], GAP, [1, 8], GAP, [1, 8]], script, { signal: abort.signal }),
    ).rejects.toBeInstanceOf(AbortedError);
  });
});
