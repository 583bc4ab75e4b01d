// Speaks the inference protocol without a model: what it does with a task is written in the task's model name.
import { existsSync, writeFileSync } from 'node:fs';

const cancelled = new Set();

process.on('disconnect', () => process.exit(0));
process.on('message', (message) => {
  if (message.type === 'setup') ready(Number(message.setup.vadPath));
  if (message.type === 'cancel') {
    cancelled.add(message.id);
    process.send({ type: 'alive' });
  }
  if (message.type === 'task') run(message.id, message.task.model);
});

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
