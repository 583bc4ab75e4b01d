import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runExamples, sameAnswers } from '../../scripts/api-examples.ts';
import { startTestServer, type TestServer } from '../support/test-server.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const hasCurl = spawnSync('curl', ['--version']).status === 0;

interface ApiDocument {
  readonly paths: Readonly<Record<string, { readonly post?: FormOperation }>>;
}

interface FormOperation {
  readonly requestBody: {
    readonly content: Readonly<Record<string, { readonly schema: { readonly properties: object } }>>;
  };
}

let page: string;

beforeAll(async () => {
  page = await readFile(`${root}docs/api.md`, 'utf8');
});

describe('docs/api.md', () => {
  it('names every field of the document', async () => {
    const server = await startTestServer();
    const document = (await (await fetch(`${server.url}/openapi.json`)).json()) as ApiDocument;
    await server.close();
    for (const path of ['/v1/audio/transcriptions', '/v1/audio/translations']) {
      const form = document.paths[path]?.post?.requestBody.content['multipart/form-data']?.schema;
      for (const name of Object.keys(form?.properties ?? { 'no form': 1 }))
        expect(page).toContain(`\`${name}\``);
    }
    for (const path of Object.keys(document.paths)) expect(page).toContain(path.replace('{model}', '{id}'));
  });

  it('names every error that a client can see', async () => {
    const source = await readFile(`${root}src/errors.ts`, 'utf8');
    const union = /export type ErrorCode =([^;]+);/.exec(source)?.[1] ?? '';
    const codes = [...union.matchAll(/'(\w+)'/g)].map(([, code]) => code ?? '');
    expect(codes.length).toBeGreaterThan(30);
    // Those of commands.
    const unseen = ['invalid_config', 'model_import_refused'];
    const missing = codes.filter((code) => !unseen.includes(code) && !page.includes(`\`${code}\``));
    expect(missing).toEqual([]);
  });

  describe.skipIf(!hasCurl)('examples (needs curl)', () => {
    let open: TestServer;
    let guarded: TestServer;

    beforeAll(async () => {
      process.chdir(root);
      open = await startTestServer({ transcriber: 'real', config: { engineProcesses: 1 } });
      guarded = await startTestServer({
        config: { apiKeys: ['sk-example-0123456789'], maxUploadBytes: 400_000 },
      });
    });

    afterAll(async () => {
      await open.close();
      await guarded.close();
    });

    it('are what the server answers', async () => {
      const fresh = await runExamples(page, {
        'http://127.0.0.1:8080': open.url,
        'http://127.0.0.1:8081': guarded.url,
      });
      if (!sameAnswers(page, fresh)) expect(fresh).toBe(page);
    });
  });
});
