import { startBuiltServer } from '../load/server.ts';
import { median, type SpeedClip, totalSeconds } from './clips.ts';
import { RecognizerChild } from './recognizer-child.ts';
import { wavOfSamples } from './wav.ts';

export interface Throughput {
  /** Audio seconds a second of wall time, median of the rounds. */
  readonly ours: number;
  readonly sherpa: number | undefined;
  readonly ratio: number | undefined;
}

/**
 * Many clients over HTTP, each with its next clip as soon as the last is answered, against sherpa-onnx-node in one process a core
 * without HTTP. Rounds alternate.
 */
export async function timeThroughput(options: {
  readonly clips: readonly SpeedClip[];
  readonly clients: number;
  readonly cores: number;
  readonly rounds: number;
  readonly peers: boolean;
}): Promise<Throughput> {
  const { clips, clients, cores, rounds, peers } = options;
  const seconds = totalSeconds(clips);
  const server = await startBuiltServer([]);
  const ours: number[] = [];
  const sherpa: number[] = [];
  try {
    await overHttp(server.url, clips, clients);
    for (let round = 0; round < rounds; round += 1) {
      ours.push(seconds / (await overHttp(server.url, clips, clients)));
      if (peers) sherpa.push(seconds / (await inPeerProcesses(clips, cores)));
    }
  } finally {
    await server.stop();
  }
  const ratios = sherpa.map((value, index) => (ours[index] ?? Number.NaN) / value);
  return {
    ours: median(ours),
    sherpa: peers ? median(sherpa) : undefined,
    ratio: peers ? median(ratios) : undefined,
  };
}

/** Wall seconds until `clients` have had all clips answered between them. */
async function overHttp(url: string, clips: readonly SpeedClip[], clients: number): Promise<number> {
  const bodies = clips.map((clip) => wavOfSamples(clip.samples));
  let next = 0;
  const start = performance.now();
  await Promise.all(
    Array.from({ length: clients }, async () => {
      for (let body = bodies[next++]; body !== undefined; body = bodies[next++]) await send(url, body);
    }),
  );
  return (performance.now() - start) / 1000;
}

async function send(url: string, wav: Buffer): Promise<void> {
  const form = new FormData();
  form.set('model', 'whisper-1');
  form.set('file', new Blob([wav]), 'clip.wav');
  const response = await fetch(`${url}/v1/audio/transcriptions`, { method: 'POST', body: form });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${response.status}: ${text}`);
}

/** Wall seconds until the slower of `cores` processes has run its share; loading the model is not counted. */
async function inPeerProcesses(clips: readonly SpeedClip[], cores: number): Promise<number> {
  const shares = shareOut(clips, cores);
  const children = await Promise.all(shares.map((share) => RecognizerChild.start('sherpa', 'plain', share)));
  try {
    const start = performance.now();
    await Promise.all(children.map((child, index) => child.run([...(shares[index]?.keys() ?? [])])));
    return (performance.now() - start) / 1000;
  } finally {
    for (const child of children) child.stop();
  }
}

/** Longest first, each to the share with the least sound so far: no process waits long for another. */
function shareOut(clips: readonly SpeedClip[], count: number): SpeedClip[][] {
  const shares: SpeedClip[][] = Array.from({ length: count }, () => []);
  for (const clip of [...clips].sort((a, b) => b.samples.length - a.samples.length)) {
    const [least] = [...shares].sort((a, b) => totalSeconds(a) - totalSeconds(b));
    least?.push(clip);
  }
  return shares;
}
