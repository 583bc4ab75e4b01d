import { RECOGNIZERS } from './recognizers.ts';

/** Child of throughput.ts: loads sherpa-onnx-node, takes clips, runs them at "go" and says when it is done. */
let clips: readonly Float32Array[] = [];
const recognizer = await RECOGNIZERS.sherpa?.();

process.on('message', (message: readonly Float32Array[] | 'go') => {
  if (message === 'go') void run();
  else {
    clips = message;
    process.send?.('ready');
  }
});

async function run(): Promise<void> {
  for (const clip of clips) await recognizer?.recognize(clip);
  process.send?.('done');
}
