// Speaks the inference protocol without a model. What it does with a chunk is written in the sound: every sample of a recording has
// the value of one of these scripts, and zeros are silence.
import { closeSync, openSync, readSync } from 'node:fs';

const SCRIPTS = {
  1000: 'answer',
  2000: 'crash',
  3000: 'hang',
  4000: 'fail',
  5000: 'take',
  6000: 'devour',
  7000: 'crave',
};
const FRAME_SAMPLES = 512;
/** How long the script `take` takes a second of sound, and all others a chunk. */
const TAKE_MS = Number(process.env.STUB_TAKE_MS ?? 1000);
const ANSWER_MS = Number(process.env.STUB_ANSWER_MS ?? 5);

const timers = new Map();

process.on('disconnect', () => process.exit(0));
process.on('SIGTERM', () => undefined);
process.on('SIGINT', () => undefined);
process.on('message', (message) => {
  if (message.type === 'setup') ready(message.setup.models);
  if (message.type === 'cancel') {
    clearTimeout(timers.get(message.id));
    timers.delete(message.id);
    process.send({ type: 'alive', cancelled: message.id });
  }
  if (message.type === 'task') run(message.id, message.task);
});
setInterval(() => timers.size > 0 && process.send({ type: 'alive' }), 200);

function ready(models) {
  const abilities = {
    languages: ['en'],
    longestChunkSecond: 30,
    prompt: false,
    keywords: false,
    temperature: true,
    translate: false,
    words: false,
    logprobs: false,
    batchSize: Number(process.env.STUB_BATCH ?? 1),
  };
  process.send({ type: 'ready', capabilities: Object.fromEntries(models.map(({ id }) => [id, abilities])) });
}

function run(id, task) {
  const samples = readSamples(task);
  if (task.kind === 'detect') return detect(id, samples, task.state);
  const value = samples.find((sample) => sample !== 0) ?? 0;
  const seconds = samples.length / 16_000;
  switch (SCRIPTS[value]) {
    case 'crash':
      return process.kill(process.pid, 'SIGKILL');
    case 'hang':
      while (true);
    case 'fail':
      return process.send({ type: 'failed', id, message: 'told to fail' });
    case 'devour':
      return devour();
    case 'crave':
      return timers.size > 0 ? devour() : later(id, ANSWER_MS, 'had enough.');
    case 'take':
      return later(id, seconds * TAKE_MS, `took ${seconds.toFixed(1)}.`);
    default:
      return later(id, ANSWER_MS, `heard ${value}.`);
  }
}

/** Takes memory until there is none. */
function devour() {
  const taken = [];
  while (true) taken.push(Buffer.alloc(8 * 1024 * 1024, 1));
}

function detect(id, samples, state) {
  const probabilities = new Float32Array(Math.ceil(samples.length / FRAME_SAMPLES));
  for (let frame = 0; frame < probabilities.length; frame += 1)
    probabilities[frame] = samples[frame * FRAME_SAMPLES] === 0 ? 0 : 1;
  process.send({ type: 'result', id, result: { kind: 'detect', probabilities, state } });
}

function later(id, milliseconds, text) {
  const done = () => {
    timers.delete(id);
    const hypothesis = { text, tokens: [], tokenEnds: [], logprobs: [], avgLogprob: -0.1, temperature: 0 };
    process.send({ type: 'result', id, result: { kind: 'transcribe', hypothesis } });
  };
  timers.set(id, setTimeout(done, milliseconds));
}

function readSamples({ pcm, startSample, endSample }) {
  const bytes = Buffer.alloc((endSample - startSample) * 2);
  const file = openSync(pcm.path, 'r');
  readSync(file, bytes, 0, bytes.length, pcm.offsetBytes + startSample * 2);
  closeSync(file);
  return new Int16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
}
