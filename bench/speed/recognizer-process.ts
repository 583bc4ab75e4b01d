import { RECOGNIZERS } from './recognizers.ts';

/** What a run of clips took this process, milliseconds. */
export interface RunTimes {
  readonly userMs: number;
  readonly wallMs: number;
}

/** Child of `RecognizerChild`: loads one system, takes the clips, then runs those it is told by their numbers. */
const create = RECOGNIZERS[process.argv[2] ?? ''];
if (create === undefined) throw new Error(`no recognizer ${process.argv[2]}`);
const recognizer = await create();
let clips: readonly Float32Array[] = [];

process.on('message', (message: readonly Float32Array[] | { readonly run: readonly number[] }) => {
  if ('run' in message) void run(message.run).then((times) => process.send?.(times));
  else {
    clips = message;
    process.send?.('ready');
  }
});

async function run(numbers: readonly number[]): Promise<RunTimes> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  for (const number of numbers) {
    const clip = clips[number];
    if (clip === undefined) throw new Error(`no clip ${number}`);
    await recognizer.recognize(clip);
  }
  const wallMs = performance.now() - start;
  return { userMs: process.cpuUsage(cpu).user / 1000, wallMs };
}
