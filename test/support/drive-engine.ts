import type { Chunk, Engine, FinishedChunk, Hypothesis } from '../../src/engines/engine.ts';

let lastId = 0;

/** A chunk with what every chunk has; ids count up. */
export function chunkOf(samples: Float32Array, more: Partial<Chunk> = {}): Chunk {
  lastId += 1;
  const speechSecond = samples.length / 16_000;
  return { id: lastId, samples, paddingBefore: 0, paddingAfter: 0, speechSecond, temperature: 0, ...more };
}

/** Steps until the engine has nothing left; what it answered, by id. Throws when a chunk is answered twice. */
export async function drain(engine: Engine): Promise<Map<number, FinishedChunk>> {
  const finished = new Map<number, FinishedChunk>();
  while (engine.size > 0)
    for (const chunk of await engine.step()) {
      if (finished.has(chunk.id)) throw new Error(`chunk ${chunk.id} was answered twice`);
      finished.set(chunk.id, chunk);
    }
  return finished;
}

/** Admits the chunks together; their answers, in order. Rejects with the first error. */
export async function transcribeAll(engine: Engine, chunks: readonly Chunk[]): Promise<Hypothesis[]> {
  for (const chunk of chunks) engine.admit(chunk);
  const finished = await drain(engine);
  return chunks.map(({ id }) => {
    const answer = finished.get(id);
    if (answer === undefined) throw new Error(`chunk ${id} was not answered`);
    if ('error' in answer) throw answer.error;
    return answer.hypothesis;
  });
}

/** Waits until a computation that cannot be stopped is over. */
export async function untilIdle(engine: Engine): Promise<void> {
  while (engine.lingering === true) await engine.step();
}
