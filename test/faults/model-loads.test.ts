import { afterEach, describe, expect, it } from 'vitest';
import { installSecondModel } from '../support/install-model.ts';
import { startTestServer, type TestServer } from '../support/test-server.ts';
import { byTier } from '../support/tier.ts';
import { hasProcessTable, isAlive, residentMiB } from './support/process-table.ts';
import { type StubServer, startStubServer } from './support/running-server.ts';

const SECOND = 'acme/second';
const GROWTH_MIB = 100;

async function post(url: string, action: 'load' | 'unload'): Promise<void> {
  const response = await fetch(`${url}/v1/models/${SECOND}/${action}`, { method: 'POST' });
  expect({ status: response.status, body: await response.json() }).toMatchObject({ status: 200 });
}

describe.skipIf(!hasProcessTable)('R22 loading and unloading a model over and over', () => {
  const rounds = byTier({ fast: 25, nightly: 200 });
  let stub: StubServer;
  afterEach(() => stub.stop());

  it(`${rounds} times: the server grows by at most ${GROWTH_MIB} MiB and every process ends`, {
    timeout: 600_000,
  }, async () => {
    stub = await startStubServer();
    await installSecondModel(stub.dataDir, SECOND);
    const [base] = stub.inferenceIds();
    const round = async (): Promise<void> => {
      await post(stub.url, 'load');
      expect(stub.inferenceIds()).toHaveLength(2);
      await post(stub.url, 'unload');
      expect(stub.inferenceIds()).toEqual([base]);
    };
    for (let warmUp = 0; warmUp < 5; warmUp += 1) await round();
    await stub.collectGarbage();
    const before = residentMiB(stub.pid);
    for (let count = 0; count < rounds; count += 1) await round();
    await stub.collectGarbage();
    const grown = residentMiB(stub.pid) - before;
    console.log(`R22: ${rounds} rounds of load and unload, ${grown.toFixed(1)} MiB more in the server`);
    expect(grown).toBeLessThan(GROWTH_MIB);
  });
});

describe.skipIf(!hasProcessTable)('R22 a real model', () => {
  const rounds = byTier({ fast: 3, nightly: 20 });
  let server: TestServer;
  afterEach(() => server.close());

  it(`is loaded and unloaded ${rounds} times: its memory goes with its process each time`, {
    timeout: 600_000,
  }, async () => {
    server = await startTestServer({
      transcriber: 'real',
      config: { engineProcesses: 1, engineExpress: false },
    });
    await installSecondModel(server.config.dataDir, SECOND);
    const sizes: number[] = [];
    for (let count = 0; count < rounds; count += 1) {
      await post(server.url, 'load');
      const pid = server.services.pools.processIds[1] ?? 0;
      sizes.push(residentMiB(pid));
      await post(server.url, 'unload');
      expect(isAlive(pid)).toBe(false);
      expect(server.services.pools.processIds).toHaveLength(1);
    }
    console.log(`R22: the process of the model held ${sizes.map((size) => size.toFixed(0)).join(', ')} MiB`);
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThan(GROWTH_MIB);
  });
});
