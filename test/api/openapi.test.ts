import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { isTranscriptionField } from '../../src/http/schemas/transcription.ts';
import { startTestServer, TEST_KEY, type TestServer } from '../support/test-server.ts';

let server: TestServer;
let document: Record<string, unknown>;

beforeAll(async () => {
  server = await startTestServer({ config: { apiKeys: [TEST_KEY] } });
  document = (await (await fetch(`${server.url}/openapi.json`)).json()) as Record<string, unknown>;
});

afterAll(() => server.close());

/** Texts and samples may differ; everything that binds a client may not. */
const PROSE = new Set(['info', 'servers', 'summary', 'description', 'examples', 'x-codeSamples']);

/** Paths at which `whole` lacks something of `part`. Lists must hold every element. */
function missing(part: unknown, whole: unknown, path: string): string[] {
  if (Array.isArray(part)) {
    const elements = Array.isArray(whole) ? whole : [];
    return part.flatMap((wanted, index) =>
      elements.some((element) => missing(wanted, element, '').length === 0) ? [] : [`${path}[${index}]`],
    );
  }
  if (typeof part !== 'object' || part === null) return part === whole ? [] : [path];
  return Object.entries(part).flatMap(([key, value]) => {
    if (PROSE.has(key)) return [];
    const own =
      typeof whole === 'object' && whole !== null ? (whole as Record<string, unknown>)[key] : undefined;
    return own === undefined ? [`${path}/${key}`] : missing(value, own, `${path}/${key}`);
  });
}

/** What lies under a path of keys; an empty object where nothing does. */
function at(node: unknown, ...keys: readonly string[]): Record<string, unknown> {
  return (
    (keys.reduce<unknown>(
      (inner, key) => (inner as Record<string, unknown> | undefined)?.[key],
      node,
    ) as Record<string, unknown>) ?? {}
  );
}

describe('/openapi.json', () => {
  it('holds the seed document: path, operation, fields, bounds, defaults, security, response', async () => {
    const seed: unknown = parse(
      await readFile(new URL('../fixtures/seed.openapi.yaml', import.meta.url), 'utf8'),
    );
    expect(missing(seed, document, '')).toEqual([]);
  });

  it('does not widen what the seed bounds', () => {
    const { schema } = at(
      document,
      'paths',
      '/v1/audio/transcriptions',
      'post',
      'requestBody',
      'content',
      'multipart/form-data',
    );
    expect(at(schema, 'required')).toEqual(['file', 'model']);
    expect(at(schema, 'properties', 'response_format', 'enum')).toEqual([
      'json',
      'text',
      'srt',
      'verbose_json',
      'vtt',
    ]);
    expect(at(schema, 'properties', 'temperature')).toMatchObject({
      type: 'number',
      minimum: 0,
      maximum: 1,
      default: 0,
    });
  });

  it('its fields are those that the server knows, in both kinds of body', async () => {
    for (const path of ['/v1/audio/transcriptions', '/v1/audio/translations']) {
      const content = at(document, 'paths', path, 'post', 'requestBody', 'content');
      const form = Object.keys(at(content, 'multipart/form-data', 'schema', 'properties'));
      const json = Object.keys(at(content, 'application/json', 'schema', 'properties'));
      expect(form).toContain('max_line_width');
      expect(json.filter((name) => name !== 'input_audio').sort()).toEqual(
        form.map((name) => name.replace('[]', '')).sort(),
      );
      const names = json.filter((name) => name !== 'file' && name !== 'input_audio');
      expect(names.filter((name) => !isTranscriptionField(name))).toEqual([]);
    }
  });

  it('every reference inside it resolves', () => {
    for (const [, pointer = ''] of JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
      const target = pointer
        .split('/')
        .reduce<unknown>((node, key) => (node as Record<string, unknown> | undefined)?.[key], document);
      expect(target, pointer).toBeDefined();
    }
  });
});

describe('the documentation page', () => {
  it('loads nothing from elsewhere and runs nothing inline', async () => {
    const pages = [await fetch(`${server.url}/docs`), await fetch(`${server.url}/docs/`)];
    for (const page of pages) {
      expect(page.status).toBe(200);
      const policy = page.headers.get('content-security-policy') ?? '';
      expect(policy).toContain("script-src 'self'");
      expect(policy).not.toContain('unsafe');
      expect(policy).not.toContain('http');
      const html = await page.text();
      const assets = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, target = '']) => target);
      expect(assets.length).toBeGreaterThan(3);
      for (const target of assets) {
        const url = new URL(target, page.url);
        expect(url.origin).toBe(server.url);
        expect((await fetch(url)).status, target).toBe(200);
      }
      expect(html).not.toMatch(/<script(?![^>]*\bsrc=)/);
    }
  });

  it('shows the same document', async () => {
    expect(await (await fetch(`${server.url}/docs/json`)).json()).toEqual(document);
  });

  it('can be switched off, and the document then needs a key', async () => {
    const quiet = await startTestServer({ config: { apiKeys: [TEST_KEY], docs: false } });
    const status = async (path: string, headers = {}) =>
      (await fetch(`${quiet.url}${path}`, { headers })).status;
    expect(await status('/docs')).toBe(401);
    expect(await status('/openapi.json')).toBe(401);
    expect(await status('/openapi.json', { authorization: `Bearer ${TEST_KEY}` })).toBe(200);
    await quiet.close();
  });
});
