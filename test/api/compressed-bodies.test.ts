import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BOUNDARY, encodeForm, expectEnvelope, fakeRecording, filePart } from '../support/multipart.ts';
import { startTestServer, type TestServer } from '../support/test-server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

const FORM = `multipart/form-data; boundary=${BOUNDARY}`;
const POSTS: readonly (readonly [path: string, type: string, body: Buffer])[] = [
  ['/v1/audio/transcriptions', FORM, encodeForm([filePart(fakeRecording())])],
  ['/v1/audio/translations', FORM, encodeForm([filePart(fakeRecording())])],
  ['/v1/audio/transcriptions', 'application/json', Buffer.from('{"file":"AAAA"}')],
  ['/v1/models/pull', 'application/json', Buffer.from('{"model":"moonshine-tiny"}')],
];
const ENCODINGS = { br: brotliCompressSync, gzip: gzipSync, deflate: deflateSync } as const;

describe('E22 T8 compressed bodies', () => {
  it('are refused on every POST, in each encoding and in several at once, and nothing of them is unpacked', async () => {
    for (const [path, type, body] of POSTS) {
      for (const [encoding, compress] of Object.entries(ENCODINGS)) {
        for (const header of [encoding, encoding.toUpperCase(), `identity, ${encoding}`]) {
          const headers = { 'content-type': type, 'content-encoding': header };
          const response = await fetch(server.url + path, { method: 'POST', headers, body: compress(body) });
          const answer = {
            status: response.status,
            text: await response.text(),
            headers: response.headers,
          };
          expect({ path, header, status: answer.status }).toEqual({ path, header, status: 415 });
          expectEnvelope(answer, { status: 415, code: 'unsupported_content_encoding' });
        }
      }
    }
    expect(server.fake.calls).toEqual([]);
    await expect.poll(() => server.scratchFiles()).toEqual([]);
  });
});
