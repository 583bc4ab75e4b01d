import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { end, forkInferenceProcess } from './inference-child.ts';

afterEach(() => vi.unstubAllEnvs());

describe('forkInferenceProcess', () => {
  it('keeps keys from the process, and lets tunables of the operator go before its own', async () => {
    vi.stubEnv('STENO_API_KEYS', 'secret');
    vi.stubEnv('GLIBC_TUNABLES', 'glibc.malloc.hugetlb=0');
    const environment = await environmentOfChild();
    expect(Object.keys(environment).filter((name) => name.startsWith('STENO_'))).toEqual([]);
    // glibc takes the last of two.
    expect(environment.GLIBC_TUNABLES).toBe('glibc.malloc.hugetlb=1:glibc.malloc.hugetlb=0');
  });

  it('asks for huge pages', async () => {
    vi.stubEnv('GLIBC_TUNABLES', undefined);
    expect((await environmentOfChild()).GLIBC_TUNABLES).toBe('glibc.malloc.hugetlb=1');
  });
});

async function environmentOfChild(): Promise<NodeJS.ProcessEnv> {
  const folder = mkdtempSync(join(tmpdir(), 'steno-child-'));
  const entry = join(folder, 'entry.mjs');
  writeFileSync(entry, "process.send(process.env); process.on('message', () => undefined);");
  const child = forkInferenceProcess({
    setup: { cacheDirectory: folder, models: [] },
    stepsBack: false,
    entry,
  });
  try {
    return await new Promise((resolve, reject) => {
      child.once('message', (message) => resolve(message as NodeJS.ProcessEnv));
      child.once('exit', (code) => reject(new Error(`the process ended with ${code} and said nothing`)));
    });
  } finally {
    await end(child);
    rmSync(folder, { recursive: true });
  }
}
