import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../src/config.ts';
import { startServer } from '../src/http/server.ts';
import { createLogger } from '../src/logger.ts';
import { createServices } from '../src/services.ts';
import { runExamples, sameAnswers } from './api-examples.ts';

/**
 * Runs the examples of docs/api.md against the real server and writes their answers into it. With `--check` only says whether they are
 * what the server answers. Needs curl.
 */
const PAGE = fileURLToPath(new URL('../docs/api.md', import.meta.url));
process.chdir(fileURLToPath(new URL('../', import.meta.url)));

const page = await readFile(PAGE, 'utf8');
const open = await startExampleServer({});
const guarded = await startExampleServer({ apiKeys: ['sk-example-0123456789'], maxUploadBytes: 400_000 });
try {
  const fresh = await runExamples(page, {
    'http://127.0.0.1:8080': open.url,
    'http://127.0.0.1:8081': guarded.url,
  });
  if (!process.argv.includes('--check')) await writeFile(PAGE, fresh);
  else if (!sameAnswers(page, fresh)) {
    console.error('docs/api.md is not what the server answers. Run npx tsx scripts/run-api-examples.ts.');
    process.exitCode = 1;
  }
} finally {
  await open.close();
  await guarded.close();
}

async function startExampleServer(flags: Readonly<Record<string, unknown>>) {
  const dataDir = await mkdtemp(join(tmpdir(), 'steno-examples-'));
  const config = loadConfig({ flags: { dataDir, port: 0, engineProcesses: 1, ...flags } });
  const services = await createServices(config, { logger: createLogger('silent') });
  const server = await startServer(services);
  return {
    url: server.url,
    async close() {
      await server.close();
      await services.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
