// Speaks the inference protocol without a model: what it does with a task is written in the task's model name, what it does when it
// is started in the folder of its first model, where that begins with "load:".
import { existsSync, writeFileSync } from 'node:fs';

const cancelled = new Set();
/** Tasks that go on after a cancel, with the file that ends them. */
const lingering = new Map();

process.on('disconnect', () => process.exit(0));
process.on('message', (message) => {
  if (message.type === 'setup') load(message.setup);
  if (message.type === 'cancel') {
    cancelled.add(message.id);
    process.send({ type: 'alive', lingering: lingering.has(message.id), cancelled: message.id });
  }
  if (message.type === 'task') run(message.id, message.task.model);
});

function load({ vadPath, models }) {
  const batchSize = Number(vadPath ?? 1);
  const [what, action, path] = (models[0]?.directory ?? '').split(/:([^:]*):?(.*)/s);
  if (what !== 'load') return ready(batchSize);
  if (action === 'wait') return waitFor(path, () => ready(batchSize));
  if (action === 'fail') return process.send({ type: 'load-failed', message: path }, () => process.exit(1));
  if (action === 'die') process.kill(process.pid, 'SIGKILL');
  if (action === 'die-once' && !existsSync(path)) {
    writeFileSync(path, '');
    process.kill(process.pid, 'SIGKILL');
  } else if (action === 'fail-if' && existsSync(path))
    process.send({ type: 'load-failed', message: 'the file is damaged' }, () => process.exit(1));
  else ready(batchSize);
}

function ready(batchSize) {
  process.send({ type: 'ready', capabilities: { scripted: { batchSize } } });
}

function run(id, script) {
  const [action, path] = script.split(/:(.*)/s);
  if (action === 'crash') process.exit(7);
  if (action === 'hang') while (true);
  if (action === 'fail') return process.send({ type: 'failed', id, message: 'told to fail' });
  if (action === 'crash-once' && !existsSync(path)) {
    writeFileSync(path, '');
    process.exit(7);
  }
  if (action === 'wait') return waitFor(path, () => answer(id, script));
  if (action === 'linger') {
    lingering.set(id, path);
    return waitFor(path, () => {
      lingering.delete(id);
      process.send({ type: 'alive', lingering: false });
      answer(id, script);
    });
  }
  if (action === 'slow-echo') return setTimeout(() => answer(id, script), 50);
  answer(id, script);
}

function waitFor(path, then) {
  if (existsSync(path)) then();
  else setTimeout(() => waitFor(path, then), 5);
}

function answer(id, text) {
  if (cancelled.has(id)) return;
  const hypothesis = { text, tokens: [], logprobs: [], avgLogprob: 0, temperature: 0 };
  process.send({ type: 'result', id, result: { kind: 'transcribe', hypothesis } });
}
