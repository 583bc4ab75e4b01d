import { open } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createEngine } from '../engines/create-engine.ts';
import type { Engine } from '../engines/engine.ts';
import { FRAME_SAMPLES } from '../vad/frames.ts';
import { openSileroDetector, type SpeechDetector } from '../vad/silero.ts';
import type {
  DetectTask,
  FromProcess,
  InferenceSetup,
  PcmRange,
  ToProcess,
  TranscribeTask,
} from './inference-protocol.ts';
import { type SoundBuffer, SoundBuffers } from './sound-buffers.ts';

/**
 * Child entry: loads voice detector and engines, then works on what it is sent. Between two units of work it lets the event loop
 * turn, so that chunks of other requests join the running batch and cancelled ones leave it.
 */

const ALIVE_INTERVAL_MS = 1000;

const detects: { id: number; task: DetectTask }[] = [];
const engines = new Map<string, Engine>();
const sounds = new SoundBuffers();
/** The sound of what the engines have; while it is being read its place is the reader's alone. */
const admitted = new Map<number, SoundBuffer>();
/** Chunks whose samples are being read: a cancel that comes meanwhile must find them. */
const reading = new Set<number>();
let detector: SpeechDetector | undefined;
let working = false;
let aliveAt = 0;
let lingered = false;

process.on('message', (message: ToProcess) => {
  switch (message.type) {
    case 'setup':
      setUp(message.setup).catch(giveUp);
      return;
    case 'task':
      void accept(message.id, message.task);
      return;
    case 'cancel':
      cancel(message.id);
      sendAlive(message.id);
      return;
    case 'stop':
      process.exit(0);
  }
});
// The server is gone, however it ended: nobody wants the work any more.
process.on('disconnect', () => process.exit(0));
// Signals to the process group are for the server to handle; it stops its children itself.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);

async function setUp(setup: InferenceSetup): Promise<void> {
  const onBuild = (name: string): void => send({ type: 'building', name });
  const { vadPath, cacheDirectory } = setup;
  if (vadPath !== undefined)
    detector = await openSileroDetector({ modelFile: vadPath, cacheDirectory, onBuild });
  for (const { id, engine, directory, ...facts } of setup.models) {
    const onNotice = (message: string): void => send({ type: 'notice', model: id, message });
    const options = { ...facts, modelDirectory: directory, cacheDirectory, onBuild, onNotice };
    engines.set(id, await createEngine(engine, options));
  }
  const capabilities = Object.fromEntries([...engines].map(([id, engine]) => [id, engine.capabilities]));
  send({ type: 'ready', capabilities });
}

/** Ends the process once the server knows why. */
function giveUp(error: unknown): void {
  console.error(error);
  const message: FromProcess = { type: 'load-failed', message: messageOf(error) };
  if (process.send === undefined) process.exit(1);
  process.send(message, () => process.exit(1));
}

async function accept(id: number, task: DetectTask | TranscribeTask): Promise<void> {
  if (task.kind === 'detect') detects.push({ id, task });
  else await admit(id, task);
  if (working) return;
  working = true;
  await work();
  working = false;
}

async function admit(id: number, task: TranscribeTask): Promise<void> {
  const engine = engines.get(task.model);
  if (engine === undefined)
    return send({ type: 'failed', id, message: `the model ${task.model} is not loaded` });
  reading.add(id);
  const sound = sounds.take(task.endSample - task.startSample);
  try {
    await readSamples(task, sound.samples);
    if (!reading.delete(id)) return sound.release();
    const { kind: _kind, model: _model, pcm: _pcm, startSample: _start, endSample: _end, ...asked } = task;
    admitted.set(id, sound);
    engine.admit({ id, samples: sound.samples, ...asked });
  } catch (error) {
    reading.delete(id);
    admitted.delete(id);
    sound.release();
    send({ type: 'failed', id, message: messageOf(error) });
  }
}

function cancel(id: number): void {
  const waiting = detects.findIndex((entry) => entry.id === id);
  if (waiting >= 0) detects.splice(waiting, 1);
  for (const engine of engines.values()) engine.cancel(id);
  reading.delete(id);
  letGo(id);
}

function letGo(id: number): void {
  admitted.get(id)?.release();
  admitted.delete(id);
}

async function work(): Promise<void> {
  while (true) {
    const detect = detects.shift();
    if (detect !== undefined) await runDetect(detect.id, detect.task);
    const busy = [...engines.values()].filter(({ size, lingering }) => size > 0 || lingering === true);
    for (const engine of busy) await runStep(engine);
    if (detect === undefined && busy.length === 0) return;
    reportAlive();
    await nextTurn();
  }
}

async function runDetect(id: number, task: DetectTask): Promise<void> {
  const wholeFrames = Math.ceil((task.endSample - task.startSample) / FRAME_SAMPLES) * FRAME_SAMPLES;
  const sound = sounds.take(wholeFrames);
  try {
    if (detector === undefined) throw new Error('the voice detector is not loaded');
    await readSamples(task, sound.samples);
    const { probabilities, state } = await detector.detect(sound.samples, task.state);
    send({ type: 'result', id, result: { kind: 'detect', probabilities, state } });
  } catch (error) {
    send({ type: 'failed', id, message: messageOf(error) });
  } finally {
    sound.release();
  }
}

async function runStep(engine: Engine): Promise<void> {
  for (const finished of await engine.step()) {
    letGo(finished.id);
    if ('error' in finished) send({ type: 'failed', id: finished.id, message: messageOf(finished.error) });
    else
      send({
        type: 'result',
        id: finished.id,
        result: { kind: 'transcribe', hypothesis: finished.hypothesis, timing: finished.timing },
      });
  }
}

/** Reads a range of s16le samples as f32 in [-1, 1) to the front of `samples`; the rest of them becomes silence. */
async function readSamples({ pcm, startSample, endSample }: PcmRange, samples: Float32Array): Promise<void> {
  const length = endSample - startSample;
  samples.fill(0, length);
  // The bytes lie in the second half of the samples' own memory: each is read before a sample is written over it.
  const bytes = new Uint8Array(samples.buffer, samples.byteOffset + length * 2, length * 2);
  const file = await open(pcm.path, 'r');
  try {
    const { bytesRead } = await file.read(bytes, 0, bytes.length, pcm.offsetBytes + startSample * 2);
    if (bytesRead !== bytes.length)
      throw new Error(`the sound file holds ${bytesRead} of ${bytes.length} bytes asked for`);
  } finally {
    await file.close();
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let index = 0; index < length; index += 1) samples[index] = view.getInt16(index * 2, true) / 32_768;
}

function reportAlive(): void {
  if (Date.now() - aliveAt >= ALIVE_INTERVAL_MS || isLingering() !== lingered) sendAlive();
}

function sendAlive(cancelled?: number): void {
  aliveAt = Date.now();
  lingered = isLingering();
  send({ type: 'alive', lingering: lingered, ...(cancelled === undefined ? {} : { cancelled }) });
}

function isLingering(): boolean {
  return [...engines.values()].some(({ lingering }) => lingering === true);
}

function send(message: FromProcess): void {
  process.send?.(message);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
